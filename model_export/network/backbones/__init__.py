"""Backbones: the networks that exits are attached to.

`base.Backbone` says what one is; `build_backbone` makes that of a recipe.
"""

from __future__ import annotations

from model_export.network.backbones.base import Backbone
from model_export.network.backbones.swin import Swin
from model_export.network.backbones.timm_backbone import TimmBackbone
from model_export.network.backbones.vit import DeiT, ViT
from model_export.recipe.recipe import BackboneRecipe
from model_export.recipe.timm_backbone import TimmRecipe

__all__ = ['Backbone', 'DeiT', 'Swin', 'TimmBackbone', 'ViT', 'build_backbone']

_KINDS: dict[str, type[ViT] | type[Swin]] = {'vit': ViT, 'deit': DeiT, 'swin': Swin}


def build_backbone(recipe: BackboneRecipe | TimmRecipe, num_classes: int) -> Backbone:
    """Make the backbone of a recipe's `kind` with random weights."""
    if isinstance(recipe, TimmRecipe):
        return TimmBackbone(recipe, num_classes)
    return _KINDS[recipe.kind](recipe, num_classes)
