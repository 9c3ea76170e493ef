"""A form in which trained weights come, and the renaming that all forms need.

A form is one small module with a table from its names to ours, and one line in `FORMATS`
(`pretrained/__init__.py`). Ours are those of `EarlyExitViT`: `backbone.` or `heads.` comes first.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model_export.recipe.recipe import BackboneRecipe

State = dict[str, Tensor]


@dataclass(frozen=True)
class WeightFormat:
    """A form in which trained weights come.

    Attributes:
        name: Name in messages.
        recognises: Function that tells a file of this form by its names.
        convert: Function that returns the file's tensors under our names, float32, position
            embeddings at their trained size. It keeps names that the form's table does not know,
            so that `start_from` can list them as left over.
    """

    name: str
    recognises: Callable[[Mapping[str, Tensor]], bool]
    convert: Callable[[State, BackboneRecipe], State]


def rename(state: Mapping[str, Tensor], table: Mapping[str, str | None]) -> State:
    """Rename the keys of `state` by the first entry of `table` that matches the whole key.

    In a name `#` stands for a layer's number and a final `*` for anything; both are carried over.
    None drops the tensor: we have no use for it. What matches no entry keeps its name.
    """
    rules = [(_pattern(old), new and _template(new)) for old, new in table.items()]
    renamed: State = {}
    for key, tensor in state.items():
        for pattern, template in rules:
            if match := pattern.fullmatch(key):
                if template is not None:
                    renamed[match.expand(template)] = tensor
                break
        else:
            renamed[key] = tensor
    return renamed


def _pattern(old: str) -> re.Pattern[str]:
    return re.compile(re.escape(old).replace(r'\#', r'(\d+)').replace(r'\*', '(.+)'))


def _template(new: str) -> str:
    groups = itertools.count(1)
    return re.sub('[#*]', lambda _: rf'\g<{next(groups)}>', new)


def join_qkv(state: State) -> State:
    """Concatenate `attn.q`, `attn.k` and `attn.v` of each layer into our `attn.qkv`."""
    joined = {}
    for key, tensor in state.items():
        match = re.fullmatch(r'(.*\.attn\.)([qkv])\.(weight|bias)', key)
        if not match:
            joined[key] = tensor
        elif match[2] == 'q':
            parts = [state.get(f'{match[1]}{x}.{match[3]}') for x in 'qkv']
            joined[f'{match[1]}qkv.{match[3]}'] = torch.cat([t for t in parts if t is not None])
    return joined


def without_prefix(state: Mapping[str, Tensor], *prefixes: str) -> State:
    """Drop the first of `prefixes` that a key has: files with and without a classifier differ."""
    return {
        next((key[len(p) :] for p in prefixes if key.startswith(p)), key): tensor
        for key, tensor in state.items()
    }


def resize_positions(positions: Tensor, class_tokens: int, grid: int) -> Tensor:
    """Resize a position embedding to (1, class_tokens + grid * grid, D).

    Args:
        positions: (1, class_tokens + side * side, D), or (1, side * side, D) if the class tokens
            have no position, which is one of zeros.
        class_tokens: 1, or 2 for a DeiT.
        grid: Patches along one side of our image. The resize is bicubic, with antialiasing.
    """
    side = math.isqrt(positions.shape[1])
    if side * side == positions.shape[1]:
        positions = F.pad(positions, (0, 0, class_tokens, 0))
    side = math.isqrt(positions.shape[1] - class_tokens)
    if side == grid or side * side != positions.shape[1] - class_tokens:
        return positions  # of the right size, or of none that a square has: its shape is refused
    patches = positions[:, class_tokens:].mT.unflatten(2, (side, side))  # (1, D, side, side)
    patches = F.interpolate(
        patches, size=(grid, grid), mode='bicubic', antialias=True, align_corners=False
    )
    return torch.cat([positions[:, :class_tokens], patches.flatten(2).mT], dim=1)
