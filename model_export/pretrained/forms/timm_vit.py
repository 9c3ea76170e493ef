"""ViT, DeiT and DINOv2 of timm, and the files of DINOv2's and DeiT's authors.

timm's ViT kept the authors' names. Where class tokens and registers have no position (timm's
`no_embed_class`), `resize_positions` gives them zeros.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from model_export.pretrained.forms.weight_format import State, WeightFormat, rename
from model_export.recipe.recipe import BackboneRecipe

TABLE: dict[str, str | None] = {
    'cls_token': 'backbone.cls_token',
    'dist_token': 'backbone.dist_token',
    'reg_token': 'backbone.register_tokens',  # timm
    'register_tokens': 'backbone.register_tokens',  # the authors
    'mask_token': None,  # of the self-supervised training
    'decoder_*': None,  # of a masked autoencoder
    'pos_embed': 'backbone.pos_embed',
    'patch_embed.proj.*': 'backbone.patch_embed.*',
    'blocks.#.ls1.gamma': 'backbone.blocks.#.scale1.gain',
    'blocks.#.ls2.gamma': 'backbone.blocks.#.scale2.gain',
    'blocks.#.*': 'backbone.blocks.#.*',
    'norm.*': 'backbone.norm.*',
    'head.*': 'backbone.classifier.*',
}
DISTILLED: dict[str, str | None] = {
    'head.*': 'backbone.classifier.of_class.*',
    'head_dist.*': 'backbone.classifier.of_distillation.*',
}


def _recognises(state: Mapping[str, Tensor]) -> bool:
    return 'patch_embed.proj.weight' in state and 'blocks.0.attn.qkv.weight' in state


def _convert(state: State, recipe: BackboneRecipe) -> State:
    return rename(state, TABLE | DISTILLED if 'dist_token' in state else TABLE)


FORMAT = WeightFormat('a ViT, DeiT or DINOv2 of timm or of its authors', _recognises, _convert)
