"""Checkpoints of the EEViT thesis code (ionymikler/early_exit_vit): LGViT's heads on a ViT.

A head sits inside its layer, so its name tells which layer it follows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from model_export.pretrained.forms.lgvit import head_table
from model_export.pretrained.forms.weight_format import State, WeightFormat, rename
from model_export.recipe.recipe import BackboneRecipe

TABLE: dict[str, str | None] = {
    'patch_embedding.cls_token': 'backbone.cls_token',
    'patch_embedding.pos_embedding': 'backbone.pos_embed',
    'patch_embedding.projection.*': 'backbone.patch_embed.*',
    'transformer.layers.#.norm_1.*': 'backbone.blocks.#.norm1.*',
    'transformer.layers.#.W_QKV.*': 'backbone.blocks.#.attn.qkv.*',
    'transformer.layers.#.attention_output.0.*': 'backbone.blocks.#.attn.proj.*',
    'transformer.layers.#.mlps.norm_2.*': 'backbone.blocks.#.norm2.*',
    'transformer.layers.#.mlps.mlp_intermediate.0.*': 'backbone.blocks.#.mlp.fc1.*',
    'transformer.layers.#.mlps.mlp_output.0.*': 'backbone.blocks.#.mlp.fc2.*',
    'transformer.norm_post_layers.*': 'backbone.norm.*',
    'last_exit.*': 'backbone.classifier.*',
}
HEAD = re.compile(r'transformer\.layers\.(\d+)\.highway\.(.+)')


def _recognises(state: Mapping[str, Tensor]) -> bool:
    return 'patch_embedding.projection.weight' in state and 'last_exit.weight' in state


def _convert(state: State, recipe: BackboneRecipe) -> State:
    heads: dict[int, State] = {}
    backbone: State = {}
    for name, tensor in state.items():
        if match := HEAD.fullmatch(name):
            part = match[2].replace('highway_head.', 'mlp.', 1)
            part = part.replace('classifier.classifier.', 'classifier.', 1)
            heads.setdefault(int(match[1]), {})[part] = tensor
        else:
            backbone[name] = tensor
    converted = rename(backbone, TABLE)
    for number, (_, head) in enumerate(sorted(heads.items())):
        for name, tensor in rename(head, head_table(head)).items():
            converted[f'heads.{number}.{name}'] = tensor
    return converted


FORMAT = WeightFormat("the EEViT thesis' ViT", _recognises, _convert)
