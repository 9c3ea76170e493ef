"""Facts beside the weights in a downloaded folder that the shapes do not show."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from model_export.errors import ModelExportError
from model_export.pretrained.files import read_json
from model_export.recipe.recipe import BackboneRecipe, Recipe
from model_export.recipe.timm_backbone import TimmRecipe


def check_config(source: Path, recipe: Recipe) -> None:
    """Compare `config.json`, if there is one, with the recipe.

    Raises:
        ModelExportError: The number of attention heads or LGViT's exit positions differ.
    """
    config = read_json(source, 'config.json')
    heads = config.get('num_attention_heads', config.get('num_heads'))  # Swin: one a stage
    heads = heads[0] if isinstance(heads, list) and heads else heads
    assert isinstance(recipe.backbone, BackboneRecipe)
    if heads is not None and heads != recipe.backbone.attention_heads:
        raise ModelExportError(
            f'{source} was trained with {heads} attention heads; the recipe has attention_heads '
            f'{recipe.backbone.attention_heads}'
        )
    layers = [exit.layer for exit in recipe.exits]
    try:
        positions = json.loads(str(config.get('position_exits')))
    except ValueError:
        return
    # One list of layers; LGViT's Swin has one a stage.
    flat = isinstance(positions, list) and all(isinstance(p, int) for p in positions)
    if flat and len(positions) == len(layers) and positions != layers:
        raise ModelExportError(f'{source} has exits after layers {positions}; the recipe {layers}')


def pixels_in(source: Path) -> dict[str, list[float]]:
    """Return `mean` and `std` of the pixels as a folder from a hub says them; empty if it does not.

    transformers has a file for them, timm a part of its own.
    """
    pixels: dict[str, Any] = read_json(source, 'preprocessor_config.json')
    mean, std = pixels.get('image_mean'), pixels.get('image_std')
    if mean is None:
        timm = read_json(source, 'config.json').get('pretrained_cfg') or {}
        mean, std = timm.get('mean'), timm.get('std')
    return {'mean': mean, 'std': std} if isinstance(mean, list) and isinstance(std, list) else {}


def note_on_pixels(source: Path, recipe: BackboneRecipe | TimmRecipe) -> list[str]:
    """Return a sentence if the weights were trained on pixels normalised otherwise."""
    pixels = pixels_in(source)
    if not pixels:
        return []
    mean, std = pixels.values()
    ours = (*recipe.mean, *recipe.std)
    if len(ours) == len(mean + std) and all(map(_close, ours, mean + std)):
        return []
    return [f'NOTE: it was trained with mean {mean} and std {std}; set them in the recipe']


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=1e-3)
