"""Weights for a backbone of timm: read by us, which runs no code in them, and fitted by timm.

timm knows what its models' own files and those of their authors need: other names, positions of
another grid, windows of another size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.backbones import TimmBackbone
from model_export.pretrained.files import read_content
from model_export.pretrained.fit import check_finite, few
from model_export.pretrained.forms.towers import to_timm_names
from model_export.pretrained.forms.weight_format import State
from model_export.pretrained.networks import parts, rank
from model_export.recipe.timm_backbone import TimmRecipe
from model_export.timm_models.create import create_model
from model_export.timm_models.take_apart import row_of

# What files call the classifier that timm then renames.
_CLASSIFIERS = ('head', 'head.fc', 'fc', 'classifier')


def start_from(backbone: TimmBackbone, num_classes: int, source: Path) -> str:
    """Copy the weights in a file or folder into a backbone of timm, in place.

    Returns:
        What was taken, and what not.

    Raises:
        ModelExportError: It cannot be read, or holds weights of another model.
    """
    recipe = backbone.recipe
    with torch.device('meta'):
        model = create_model(recipe.model, recipe.image_size, num_classes, recipe.params)
    name = _name_of(model, model.get_classifier())
    where, state = _best(read_content(source), set(model.state_dict()), source, recipe)
    check_finite(state, source)
    theirs = next(
        (
            len(state[f'{one}.weight'])
            for one in (name, *_CLASSIFIERS)
            if f'{one}.weight' in state and state[f'{one}.weight'].ndim == 2
        ),
        0,
    )
    if not theirs:  # timm asks for one
        state.pop('visual.proj', None)  # of a CLIP, where image and text meet: timm's classifier
        prefix = 'visual.' if any(key.startswith('visual.') for key in state) else ''
        state |= {
            f'{prefix}{name}.{key}': torch.zeros(tensor.shape)
            for key, tensor in model.get_classifier().state_dict().items()
        }
    classes = theirs or num_classes
    given = {'state_dict': state, 'num_classes': classes}
    make = partial(create_model, recipe.model, recipe.image_size, classes, recipe.params, given)
    try:
        donor = row_of(make, recipe.model, recipe.image_size)
    except ModelExportError as err:
        raise ModelExportError(
            f'{source} holds weights of another model than {recipe.model}: {_misfits(err)}'
        ) from err
    parts: list[tuple[nn.Module, nn.Module]] = [
        (backbone.model, donor.model),
        (backbone.blocks, donor.blocks),
    ]
    if theirs == num_classes:
        parts.append((backbone.classifier, donor.classifier))
    for ours, found in parts:
        ours.load_state_dict(found.state_dict())
    taken = f'{where or "its network"} as {recipe.model}'
    if theirs == num_classes:
        return f'{taken}; classifier taken'
    had = f'it has {theirs} classes, the recipe {num_classes}' if theirs else 'it has none'
    return f'{taken}; classifier at random: {had}'


def _best(content: Any, wanted: set[str], source: Path, recipe: TimmRecipe) -> tuple[str, State]:
    """Return where the network with most of the wanted names is, and its tensors.

    Of several with as many, averages and teachers come first.

    Raises:
        ModelExportError: None has half of them.
    """
    found = [(where, to_timm_names(part)) for where, part in parts(content, 1 / 4)]
    if not found:
        raise ModelExportError(
            f'{source} must hold names and tensors. Got {type(content).__name__}'
        )
    where, state = min(found, key=lambda one: (-_score(one[1], wanted), rank(one[0]), one[0]))
    count = _score(state, wanted)
    if 2 * count < len(wanted):
        names = set().union(*(state.keys() for _, state in found))
        raise ModelExportError(
            f'{source} holds no weights of {recipe.model}: of its {len(wanted)} names '
            f'{count} are there. Missing: {few(sorted(wanted - state.keys()))}; there: '
            f'{few(sorted(names - wanted))}'
        )
    return where, state


def _score(state: Mapping[str, Tensor], wanted: set[str]) -> int:
    """Return how many of the wanted names are there: enough, where timm renames a file itself."""
    if any(name.startswith(('visual.', 'storage_tokens')) for name in state):
        return len(wanted) // 2 + 1
    return len(wanted & state.keys())


def _name_of(model: nn.Module, part: nn.Module) -> str:
    return next(name for name, module in model.named_modules() if module is part)


def _misfits(err: ModelExportError) -> str:
    """Return torch's list of what does not fit, shortened; else the error as it is."""
    text = str(err.__cause__ or err)
    lists = [
        (what, re.findall(r'"([^"]+)"', found[1]))
        for what in ('Missing', 'Unexpected')
        if (found := re.search(rf'{what} key\(s\) in state_dict: (.*)', text))
    ]
    words = [f'{len(names)} {what.lower()}: {few(names)}' for what, names in lists]
    sizes = re.findall(
        r'mismatch for (\S+): .*?\(\[([\d, ]*)\]\) from checkpoint.*?\(\[([\d, ]*)\]\)', text
    )
    if sizes:
        shapes = [f'{name} [{theirs}] (recipe: [{ours}])' for name, theirs, ours in sizes]
        words.append(f'{len(sizes)} of another shape: {few(shapes)}')
    return '; '.join(words) or str(err)
