"""Our own training runs and folders of saved weights, and files with our own names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from model_export.errors import ModelExportError
from model_export.pretrained.forms.weight_format import State, WeightFormat
from model_export.recipe.recipe import BackboneRecipe, Recipe
from model_export.recipe.timm_backbone import TimmRecipe
from model_export.weights.stored import load_model

CHECKPOINT, WEIGHTS = 'checkpoint.pt', 'weights-*.safetensors'


def own_folder(source: Path) -> Path | None:
    """Return the folder of a run or of weights of ours: `source`, or that of a file in it."""
    folder = source if source.is_dir() else source.parent
    files = [path for path in (folder / CHECKPOINT, *folder.glob(WEIGHTS)) if path.exists()]
    return folder if files and (source == folder or source in files) else None


def read_own(folder: Path, recipe: Recipe) -> State:
    """Return the backbone's tensors, and the heads' if the exits and the image size are the same.

    Raises:
        ModelExportError: Its recipe has another backbone; only the image size may differ.
    """
    model = load_model(folder, task=None)[0]
    theirs, ours = dataclasses.asdict(model.recipe.backbone), dataclasses.asdict(recipe.backbone)
    differing = [  # some leave no trace in the weights' shapes
        f'{key} {theirs.get(key)} (recipe: {ours[key]})'
        for key in ours
        if key not in ('image_size', 'weights') and theirs.get(key) != ours[key]
    ]
    if differing:
        raise ModelExportError(f'{folder} has another backbone: {", ".join(differing)}')
    same = model.recipe.exits == recipe.exits and theirs['image_size'] == ours['image_size']
    state = model.state_dict()
    return state if same else _convert(state, recipe.backbone)


def _recognises(state: Mapping[str, Tensor]) -> bool:
    return 'backbone.patch_embed.weight' in state and 'backbone.blocks.0.norm1.weight' in state


def _convert(state: State, recipe: BackboneRecipe | TimmRecipe) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith('heads.')}


FORMAT = WeightFormat('a model of ours', _recognises, _convert)
