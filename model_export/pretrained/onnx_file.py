"""A DINOv2 ViT inside an ONNX file, with Hugging Face's names below `backbone.`.

Exporters store a transposed, renamed copy of every linear weight; the bias that is added to its
product keeps its name, so a weight is found by the `MatMul` that feeds that `Add`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
import torch
from google.protobuf.message import DecodeError

from model_export.errors import ModelExportError
from model_export.pretrained.forms import hugging_face
from model_export.pretrained.forms.weight_format import State
from model_export.recipe.recipe import BackboneRecipe

Array = npt.NDArray[np.float32]
PREFIX = 'backbone.'


def read_onnx(path: Path, recipe: BackboneRecipe) -> State:
    """Return the weights of the graph under our names.

    Raises:
        ModelExportError: It cannot be read, or holds no such ViT.
    """
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as err:
        raise ModelExportError(f'cannot read ONNX file {path}: {err}') from err
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    tensors.update(_weights_named_by_bias(graph, tensors))
    if 'backbone.embeddings.cls_token' not in tensors:
        raise ModelExportError(
            f'{path} has no tensor backbone.embeddings.cls_token: not a DINOv2 export?'
        )
    named = {k.removeprefix(PREFIX): a for k, a in tensors.items() if k.startswith(PREFIX)}
    named['embeddings.position_embeddings'] = _positions(tensors, recipe.width)
    state = {name: torch.from_numpy(np.array(array)) for name, array in named.items()}
    converted = hugging_face.FORMAT.convert(state, recipe)
    # What keeps its name is a constant of the graph.
    return {name: tensor for name, tensor in converted.items() if name not in state}


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


def _positions(t: dict[str, Array], width: int) -> Array:
    """Return the position embedding (1, 1 + side^2, D).

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
