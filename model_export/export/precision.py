"""Fewer bits: an exported graph that computes in int8 or float16, and what it then answers.

In int8, weights get a scale for each output channel when the file is written; what they are
multiplied with becomes uint8 while the model runs, by the range that it has in that image (dynamic
quantisation, ONNX Runtime's `MatMulInteger`). Softmax, norms, the patch embedding and all
decisions stay in float32. No image is needed to quantise. Either way the exits answer a little
differently, so temperatures and thresholds are chosen on what the graph itself says.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxscript.optimizer import fold_constants
from torch import Tensor, nn
from tqdm import tqdm

from eevit_ros.images.resize import Image
from eevit_ros.model.metadata import ModelMetadata
from model_export.errors import ModelExportError
from model_export.export.check import open_forms
from model_export.export.onnx_writer import FP16, INT8, store_as_half, to_onnx
from model_export.network.early_exit import EarlyExitViT

ANY_SIZE = 2**40  # of a constant, in elements


def to_precision(model: EarlyExitViT, metadata: ModelMetadata) -> onnx.ModelProto:
    """Trace a deployed model into a graph of the precision that the metadata name."""
    if metadata.precision == INT8:
        return to_int8(to_onnx(model, metadata, half=False))
    if metadata.precision == FP16:
        return to_onnx(to_half(model), metadata, half=False)
    return to_onnx(model, metadata)


def to_int8(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise a graph that was traced without float16 storage; its metadata stay.

    Raises:
        ModelExportError: There was nothing to quantise.
    """
    folded = onnx.ModelProto()
    folded.CopyFrom(proto)
    # A weight that is cut or turned in the graph is no constant to the quantiser.
    fold_constants(folded, input_size_limit=ANY_SIZE, output_size_limit=ANY_SIZE)
    with tempfile.TemporaryDirectory() as folder, _quietly():
        path = Path(folder) / 'int8.onnx'
        quantize_dynamic(
            folded,
            path,
            op_types_to_quantize=['MatMul'],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={'EnableSubgraph': True, 'MatMulConstBOnly': True},
        )
        quantised = onnx.load(path)
    if not any(tensor.data_type == onnx.TensorProto.INT8 for tensor in quantised.graph.initializer):
        raise ModelExportError('the graph has no matrix product with weights: nothing to quantise')
    quantised.ir_version = proto.ir_version
    store_as_half(quantised.graph)
    del quantised.metadata_props[:]
    quantised.metadata_props.extend(proto.metadata_props)
    return quantised


@torch.no_grad()
def to_half(model: EarlyExitViT, dtype: torch.dtype = torch.float16) -> EarlyExitViT:
    """Copy a deployed model with weights of 16 bits; it takes uint8 images and gives such logits.

    The squares in a layer norm are what overflows in a transformer. What pixels are normalised with
    stays in float32 as well, and `ExportForm` takes the softmax of float32 logits.
    """
    half = copy.deepcopy(model).to(dtype)
    for name, buffer in model.backbone.named_buffers(recurse=False):
        setattr(half.backbone, name, buffer.clone())
    for module in half.modules():
        if isinstance(module, nn.LayerNorm):
            module.float().register_forward_pre_hook(_take_float)
            module.register_forward_hook(partial(_give, dtype))
    return half


def _take_float(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.float() for x in inputs)


def _give(
    dtype: torch.dtype, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
) -> Tensor:
    return output.to(dtype)


def answer_all(proto: onnx.ModelProto, images: Image) -> npt.NDArray[np.float32]:
    """Return every exit's probabilities (E + 1, N, C) of images uint8 (N, H, W, 3)."""
    _, staged = open_forms(proto)
    bar = tqdm(images, 'answering', unit='image', leave=False, disable=None)
    answers = [np.concatenate(list(staged.every_exit(image))) for image in bar]
    return np.stack(answers, axis=1)


def to_logits(probabilities: npt.NDArray[np.float32]) -> Tensor:
    """Return logits that have these probabilities, to fit temperatures to."""
    return torch.from_numpy(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)))


def agreement(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> str:
    """Say how two precisions' calibrated answers, float32 (E + 1, N, C), compare."""
    same = (found.argmax(-1) == expected.argmax(-1)).mean(axis=1)
    difference = np.abs(found - expected)
    return (
        f'the same class for {same[-1]:.1%} at full depth, {same.min():.1%} at the worst exit; a '
        f'probability differs by {difference.max():.2g} at most, the largest of an answer by '
        f'{np.abs(found.max(-1) - expected.max(-1)).mean():.2g} on average'
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence ONNX Runtime's advice to pre-process the graph, which it logs at the root."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
