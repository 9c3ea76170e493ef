"""ViT and Swin of torchvision (`vit_b_16`, `swin_t` and their sisters).

Its ViT calls a layer `encoder_layer_0` and keeps query, key and value in one `in_proj`, as ours.
Its Swin is one sequence: the patches, then stages and patch mergings in turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from model_export.pretrained.forms import swin
from model_export.pretrained.forms.weight_format import State, WeightFormat, rename
from model_export.recipe.recipe import BackboneRecipe

_VIT: dict[str, str | None] = {
    'class_token': 'backbone.cls_token',
    'encoder.pos_embedding': 'backbone.pos_embed',
    'conv_proj.*': 'backbone.patch_embed.*',
    'encoder.layers.encoder_layer_#.ln_1.*': 'backbone.blocks.#.norm1.*',
    'encoder.layers.encoder_layer_#.self_attention.in_proj_weight': (
        'backbone.blocks.#.attn.qkv.weight'
    ),
    'encoder.layers.encoder_layer_#.self_attention.in_proj_bias': 'backbone.blocks.#.attn.qkv.bias',
    'encoder.layers.encoder_layer_#.self_attention.out_proj.*': 'backbone.blocks.#.attn.proj.*',
    'encoder.layers.encoder_layer_#.ln_2.*': 'backbone.blocks.#.norm2.*',
    'encoder.layers.encoder_layer_#.mlp.0.*': 'backbone.blocks.#.mlp.fc1.*',
    'encoder.layers.encoder_layer_#.mlp.3.*': 'backbone.blocks.#.mlp.fc2.*',
    # Files from before torchvision 0.13.
    'encoder.layers.encoder_layer_#.mlp.linear_1.*': 'backbone.blocks.#.mlp.fc1.*',
    'encoder.layers.encoder_layer_#.mlp.linear_2.*': 'backbone.blocks.#.mlp.fc2.*',
    'encoder.ln.*': 'backbone.norm.*',
    'heads.head.*': 'backbone.classifier.*',
    'heads.*': 'backbone.classifier.*',  # often replaced by one linear map
}
_STEM: dict[str, str | None] = {
    'features.0.0.*': 'patch_embed.proj.*',
    'features.0.2.*': 'patch_embed.norm.*',
}
_MLP: dict[str, str | None] = {
    'layers.#.blocks.#.mlp.0.*': 'layers.#.blocks.#.mlp.fc1.*',
    'layers.#.blocks.#.mlp.3.*': 'layers.#.blocks.#.mlp.fc2.*',
}
_HEAD = re.compile(r'heads\.(\d+)\.')
_PART = re.compile(r'features\.(\d+)\.(.+)')


def _recognises_vit(state: Mapping[str, Tensor]) -> bool:
    return 'encoder.layers.encoder_layer_0.self_attention.in_proj_weight' in state


def _recognises_swin(state: Mapping[str, Tensor]) -> bool:
    return 'features.1.0.attn.relative_position_bias_table' in state


def _from_vit(state: State, recipe: BackboneRecipe) -> State:
    heads = {match[1] for name in state if (match := _HEAD.match(name))}
    if len(heads) == 1:  # replaced by dropout and a linear map
        state = {_HEAD.sub('heads.head.', name): tensor for name, tensor in state.items()}
    return rename(state, _VIT)


def _from_swin(state: State, recipe: BackboneRecipe) -> State:
    named = {}
    for name, tensor in rename(state, _STEM).items():
        if match := _PART.fullmatch(name):
            stage, merges = divmod(int(match[1]) - 1, 2)
            name = f'layers.{stage}.{"downsample" if merges else "blocks"}.{match[2]}'
        named[name] = tensor
    return swin.TIMM.convert(rename(named, _MLP), recipe)


VIT = WeightFormat('a ViT of torchvision', _recognises_vit, _from_vit)
SWIN = WeightFormat('a Swin of torchvision', _recognises_swin, _from_swin)
