"""Swin's weights as Hugging Face, timm (or the authors) and LGViT name them.

All number a layer by its stage and its place in it. Patch merging ends a stage in Hugging Face's
and the authors' files, begins the next in timm's; ours belongs to the layer that follows it.
LGViT's file is Hugging Face's with heads inside the stages.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from model_export.pretrained.forms.lgvit import head_table
from model_export.pretrained.forms.weight_format import (
    State,
    WeightFormat,
    join_qkv,
    rename,
    without_prefix,
)
from model_export.recipe.recipe import BackboneRecipe

# `layer.#` is a layer counted from 0.
_HUGGING_FACE = {
    'embeddings.patch_embeddings.projection.*': 'backbone.patch_embed.*',
    'embeddings.norm.*': 'backbone.embed_norm.*',
    'layernorm.*': 'backbone.norm.*',
    'classifier.*': 'backbone.classifier.*',
    'layer.#.merge.*': 'backbone.blocks.#.merge.*',
    'layer.#.layernorm_before.*': 'backbone.blocks.#.norm1.*',
    'layer.#.attention.self.query.*': 'backbone.blocks.#.attn.q.*',
    'layer.#.attention.self.key.*': 'backbone.blocks.#.attn.k.*',
    'layer.#.attention.self.value.*': 'backbone.blocks.#.attn.v.*',
    'layer.#.attention.self.relative_position_bias_table': 'backbone.blocks.#.attn.bias_table',
    'layer.#.attention.self.relative_position_index': None,  # computed
    'layer.#.attention.output.dense.*': 'backbone.blocks.#.attn.proj.*',
    'layer.#.layernorm_after.*': 'backbone.blocks.#.norm2.*',
    'layer.#.intermediate.dense.*': 'backbone.blocks.#.mlp.fc1.*',
    'layer.#.output.dense.*': 'backbone.blocks.#.mlp.fc2.*',
}
_LGVIT_CLASSIFIER = {
    'classifier.layernorm.*': 'norm.*',
    'classifier.classifier.*': 'classifier.*',
}
_TIMM = {
    'patch_embed.proj.*': 'backbone.patch_embed.*',
    'patch_embed.norm.*': 'backbone.embed_norm.*',
    'norm.*': 'backbone.norm.*',
    'head.fc.*': 'backbone.classifier.*',
    'head.*': 'backbone.classifier.*',
    'layer.#.attn_mask': None,
    'layer.#.attn.relative_position_index': None,
    'layer.#.attn.relative_position_bias_table': 'backbone.blocks.#.attn.bias_table',
    'layer.#.*': 'backbone.blocks.#.*',
}


def _recognises_hugging_face(state: Mapping[str, Tensor]) -> bool:
    first = 'encoder.layers.0.blocks.0.attention.self.query.weight'
    return first in without_prefix(state, 'swin.')


def _recognises_timm(state: Mapping[str, Tensor]) -> bool:
    return 'layers.0.blocks.0.attn.relative_position_bias_table' in state


def _from_hugging_face(state: State, recipe: BackboneRecipe) -> State:
    state = _count_layers(without_prefix(state, 'swin.'), recipe)
    state, heads = _without_heads(state)
    return _resize_tables(join_qkv({**rename(state, _HUGGING_FACE), **heads}), recipe)


def _from_timm(state: State, recipe: BackboneRecipe) -> State:
    return _resize_tables(rename(_count_layers(state, recipe), _TIMM), recipe)


def _count_layers(state: State, recipe: BackboneRecipe) -> State:
    """Replace stage and place in it by the layer; merging goes to the layer that follows it.

    What lies outside the recipe's stages keeps its name.
    """
    starts = [0, *itertools.accumulate(recipe.depths)]
    merging_begins = not any(re.fullmatch(r'.*layers\.0\.downsample\..*', name) for name in state)
    counted = {}
    for name, tensor in state.items():
        match = re.fullmatch(
            r'(?:encoder\.)?layers\.(\d+)\.(?:blocks\.(\d+)|downsample)\.(.+)', name
        )
        if match:
            stage, place, part = match.groups()
            at = int(stage) + (place is None and not merging_begins)
            if at < len(recipe.depths) and int(place or 0) < recipe.depths[at]:
                merge = '' if place else 'merge.'
                name = f'layer.{starts[at] + int(place or 0)}.{merge}{part}'
        counted[name] = tensor
    return counted


def _without_heads(state: State) -> tuple[State, State]:
    """Return the state without the heads of LGViT, and the heads under our names."""
    pattern = re.compile(r'encoder\.layers\.(\d+)\.highway\.(\d+)\.(.+)')
    found = {name: match for name in state if (match := pattern.fullmatch(name))}
    order = sorted({(int(match[1]), int(match[2])) for match in found.values()})
    heads: State = {}
    for number, at in enumerate(order):
        head = {
            match[3]: state[name]
            for name, match in found.items()
            if (int(match[1]), int(match[2])) == at
        }
        renamed = rename(head, {**_LGVIT_CLASSIFIER, **head_table(head)})
        heads |= {f'heads.{number}.{name}': tensor for name, tensor in renamed.items()}
    return {name: tensor for name, tensor in state.items() if name not in found}, heads


def _resize_tables(state: State, recipe: BackboneRecipe) -> State:
    """Resize each bias table to its layer's window, which shrinks to a small grid (bicubic)."""
    for layer in range(1, recipe.layers + 1):
        name = f'backbone.blocks.{layer - 1}.attn.bias_table'
        if name not in state:
            continue
        table = state[name]  # (offsets * offsets, heads)
        offsets = 2 * min(recipe.window, recipe.exit_shape(layer)[1]) - 1
        side = math.isqrt(len(table))
        if side != offsets and side * side == len(table):
            square = table.T.unflatten(1, (side, side))[None]
            square = F.interpolate(square, size=(offsets, offsets), mode='bicubic')
            state[name] = square[0].flatten(1).T.contiguous()
    return state


HUGGING_FACE = WeightFormat(
    'a Swin of Hugging Face or LGViT', _recognises_hugging_face, _from_hugging_face
)
TIMM = WeightFormat('a Swin of timm or of its authors', _recognises_timm, _from_timm)
