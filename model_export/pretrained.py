"""Start a backbone from trained weights: ours, or a DINOv2-shaped ViT inside an ONNX file.

Exporters store a transposed, renamed copy of every linear weight; the bias that is added to its
product keeps its name, so a weight is found by the `MatMul` that feeds that `Add`.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F
from google.protobuf.message import DecodeError
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.recipe import BackboneRecipe
from model_export.vit import ViT
from model_export.weights import load_model

Array = npt.NDArray[np.float32]


def start_from(model: ViT, source: Path) -> None:
    """Copy a trained backbone into `model`, in place.

    The position embedding is resized to the model's grid (bicubic); the classifier is left alone,
    as the classes may be others.

    Args:
        model: The backbone to initialise.
        source: A training run, a folder of saved weights, or an ONNX file of a DINOv2 ViT with
            Hugging Face's names, which does not tell the number of its attention heads.

    Raises:
        ModelExportError: the source is missing, cannot be read, or is of another shape.
    """
    if not source.exists():
        raise ModelExportError(f'no such file or folder: {source}')
    own = source.is_dir()
    state = _own_state(source, model.recipe) if own else _dinov2_state(source, model.recipe)
    state['pos_embed'] = _resize_positions(state['pos_embed'], model.recipe.grid)
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as err:
        raise ModelExportError(f'{source} does not fit the recipe: {err}') from err
    left = [name for name in result.missing_keys if not name.startswith('classifier.')]
    if left or result.unexpected_keys:
        raise ModelExportError(
            f'{source} does not fit the recipe: it has no value for {left}, and values that the '
            f'backbone has no place for: {result.unexpected_keys}'
        )


def _own_state(folder: Path, recipe: BackboneRecipe) -> dict[str, Tensor]:
    backbone = load_model(folder)[0].backbone
    theirs, ours = dataclasses.asdict(backbone.recipe), dataclasses.asdict(recipe)
    differing = [  # some leave no trace in the weights' shapes; the image size may be another
        f'{key} {theirs[key]} (recipe: {ours[key]})'
        for key in ours
        if key != 'image_size' and theirs[key] != ours[key]
    ]
    if differing:
        raise ModelExportError(f'{folder} has another backbone: {", ".join(differing)}')
    state = backbone.state_dict()
    return {name: t for name, t in state.items() if not name.startswith('classifier.')}


def _dinov2_state(path: Path, recipe: BackboneRecipe) -> dict[str, Tensor]:
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as err:
        raise ModelExportError(f'cannot read ONNX file {path}: {err}') from err
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    tensors.update(_weights_named_by_bias(graph, tensors))
    try:
        state = _from_hugging_face(tensors, recipe)
    except KeyError as err:
        raise ModelExportError(f'{path} has no tensor {err}: not a DINOv2 export?') from err
    return {name: torch.from_numpy(np.array(array)) for name, array in state.items()}


def _weights_named_by_bias(graph: onnx.GraphProto, tensors: dict[str, Array]) -> dict[str, Array]:
    """Give each linear weight the name of its bias, with 'bias' replaced by 'weight'."""
    product_of = {
        node.output[0]: tensors[node.input[1]].T
        for node in graph.node
        if node.op_type == 'MatMul' and node.input[1] in tensors
    }
    named = {}
    for node in graph.node:
        if node.op_type != 'Add':
            continue
        for bias, product in (node.input, node.input[::-1]):
            if bias.endswith('.bias') and product in product_of:
                named[bias.removesuffix('bias') + 'weight'] = product_of[product]
    return named


def _from_hugging_face(t: dict[str, Array], recipe: BackboneRecipe) -> dict[str, Array]:
    embed = 'backbone.embeddings.'
    state = {
        'patch_embed.weight': t[embed + 'patch_embeddings.projection.weight'],
        'patch_embed.bias': t[embed + 'patch_embeddings.projection.bias'],
        'cls_token': t[embed + 'cls_token'],
        'pos_embed': _positions(t, recipe.width),
        'norm.weight': t['backbone.layernorm.weight'],
        'norm.bias': t['backbone.layernorm.bias'],
    }
    if f'backbone.encoder.layer.{recipe.layers}.norm1.weight' in t:
        raise ModelExportError(f'the file has more layers than backbone.layers: {recipe.layers}')
    for i in range(recipe.layers):
        old, new = f'backbone.encoder.layer.{i}.', f'blocks.{i}.'
        for kind in ('weight', 'bias'):
            qkv = [t[f'{old}attention.attention.{x}.{kind}'] for x in ('query', 'key', 'value')]
            state[f'{new}attn.qkv.{kind}'] = np.concatenate(qkv)
            state[f'{new}attn.proj.{kind}'] = t[f'{old}attention.output.dense.{kind}']
            for part in ('norm1', 'norm2', 'mlp.fc1', 'mlp.fc2'):
                state[f'{new}{part}.{kind}'] = t[f'{old}{part}.{kind}']
        for k in (1, 2):
            state[f'{new}scale{k}.gain'] = t[f'{old}layer_scale{k}.lambda1']
    return state


def _positions(t: dict[str, Array], width: int) -> Array:
    """The position embedding (1, 1 + side^2, D).

    The exporter cut it in two constants without names: [1, 1, D] and [1, side^2, D].
    """
    single = [a for name, a in t.items() if a.shape == (1, 1, width) and 'cls_token' not in name]
    patches = [a for a in t.values() if a.ndim == 3 and a.shape[1] > 1 and a.shape[2] == width]
    if len(single) != 1 or len(patches) != 1:
        raise ModelExportError(
            f'expected one position embedding of the class token and one of the patches, of width '
            f'{width}. Got shapes {[a.shape for a in single + patches]}'
        )
    return np.concatenate([single[0], patches[0]], axis=1)


def _resize_positions(positions: Tensor, grid: int) -> Tensor:
    """Resize the patches' part of (1, 1 + side^2, D) to (1, 1 + grid^2, D)."""
    side = math.isqrt(positions.shape[1] - 1)
    if side == grid:
        return positions
    patches = positions[:, 1:].mT.unflatten(2, (side, side))  # (1, D, side, side)
    patches = F.interpolate(
        patches, size=(grid, grid), mode='bicubic', antialias=True, align_corners=False
    )
    return torch.cat([positions[:, :1], patches.flatten(2).mT], dim=1)
