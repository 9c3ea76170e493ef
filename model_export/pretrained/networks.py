"""Find the network in what a training script saved.

A file may hold optimizer states, several networks (a moving average, a teacher and a student), and
names below whatever DDP, torch.compile, Lightning or a wrapper class put in front. Every mapping of
tensors is searched, below every prefix, for a form that we know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model_export.pretrained.forms.weight_format import State, WeightFormat
from model_export.recipe.recipe import BackboneRecipe

# What torch.compile, FSDP, activation checkpointing and Fabric insert, anywhere in a name.
_INSERTED = {'_orig_mod', '_fsdp_wrapped_module', '_checkpoint_wrapped_module', '_forward_module'}
# Of several networks that fit the recipe the first kind is taken: averages are usually better.
_PREFERRED = (
    {'ema', 'swa', 'averaged', 'average', 'shadow'},
    {'best'},
    {'teacher'},
    set[str](),  # all others
    {'student', 'current', 'last'},
)
_DEEPEST = 4  # mappings within mappings


@dataclass(frozen=True)
class Network:
    """A network of a known form.

    Attributes:
        where: What stands before its own names: keys of the file, then the prefix.
        known: Its form.
        state: Its tensors, float32, without the prefix.
        beside: Names of tensors of the same mapping that belong to no network.
    """

    where: str
    known: WeightFormat
    state: State
    beside: tuple[str, ...]


def find_networks(content: Any, forms: Sequence[WeightFormat]) -> list[Network]:
    """Return all networks of a known form in what a file holds, those to prefer first."""
    found = [
        network for keys, state in state_dicts(content) for network in _below(keys, state, forms)
    ]
    return sorted(found, key=lambda network: rank(network.where))


def state_dicts(content: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, State]]:
    """Yield the keys that lead to each mapping with tensors, and its tensors by name."""
    if isinstance(content, (list, tuple)):
        content = {str(number): one for number, one in enumerate(content) if not _is_tensor(one)}
    if not isinstance(content, Mapping):
        return
    tensors = {str(key): value for key, value in content.items() if _is_tensor(value)}
    if tensors:
        yield '.'.join(keys), {_own_name(name): tensor for name, tensor in tensors.items()}
    if len(keys) < _DEEPEST:
        for key, value in content.items():
            yield from state_dicts(value, (*keys, str(key)))


def nearest(
    content: Any, forms: Sequence[WeightFormat], recipe: BackboneRecipe, wanted: Collection[str]
) -> tuple[WeightFormat, str, State] | None:
    """Return the form that makes most of the wanted names, where, and what it made.

    What it does not know keeps its name. None if no form makes any.
    """
    best, most = None, 0
    for where, part in parts(content, 1 / 2):
        for known in forms:
            converted = known.convert(dict(part), recipe)
            score = sum(name in converted and name not in part for name in wanted)
            if score > most:
                best, most = (known, where, converted), score
    return best


def parts(content: Any, least: float) -> Iterator[tuple[str, State]]:
    """Yield every prefix below which a network may be, the file's keys in front, and what is there.

    Args:
        content: What a file holds.
        least: Share of a mapping's names below the prefix; fewer are a part, such as one layer.
    """
    for keys, state in state_dicts(content):
        for prefix in _prefixes(state):
            part = _cut(state, prefix)
            if len(part) >= least * len(state):
                yield _joined(keys, prefix), {key: _as_float(t) for key, t in part.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _below(keys: str, state: State, forms: Sequence[WeightFormat]) -> Iterator[Network]:
    found: dict[str, WeightFormat] = {}
    for prefix in _prefixes(state):
        if any(prefix.startswith(shorter) for shorter in found):
            continue
        part = _cut(state, prefix)
        known = next((form for form in forms if form.recognises(part)), None)
        if known:
            found[prefix] = known
    beside = tuple(name for name in state if not name.startswith(tuple(found)))
    for prefix, known in found.items():
        part = {name: _as_float(tensor) for name, tensor in _cut(state, prefix).items()}
        yield Network(_joined(keys, prefix), known, part, beside)


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    """Return all prefixes of the names that end in a dot, and the empty one, the shortest first."""
    dots = {name[: dot.end()] for name in state for dot in re.finditer(r'\.', name)}
    return ['', *sorted(dots, key=lambda prefix: (prefix.count('.'), prefix))]


def _cut(state: State, prefix: str) -> State:
    return {name[len(prefix) :]: t for name, t in state.items() if name.startswith(prefix)}


def _own_name(name: str) -> str:
    return '.'.join(part for part in name.split('.') if part not in _INSERTED)


def _joined(keys: str, prefix: str) -> str:
    return '.'.join(filter(None, (keys, prefix.rstrip('.'))))


def rank(where: str) -> int:
    """Return which of several networks to prefer, by the names that lead to it: the lowest."""
    words = set(re.split(r'[._]', where.lower()))
    plain = len(_PREFERRED) - 2
    return next((rank for rank, kind in enumerate(_PREFERRED) if kind & words), plain)


def _as_float(tensor: Tensor) -> Tensor:
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    tensor = tensor.to_dense() if tensor.is_sparse else tensor
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
