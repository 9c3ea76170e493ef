"""Write one self-contained ONNX file.

The graph decides by itself where an image leaves: torch traces the network with every exit, and
`decisions` makes `If` nodes of that.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from eevit_ros.model.metadata import ModelMetadata
from model_export.errors import ModelExportError
from model_export.export.decisions import decide, exit_outputs
from model_export.network.early_exit import EarlyExitViT
from model_export.network.measures import measure

FP32, FP16, INT8 = 'fp32', 'fp16', 'int8'
OPSET = 20
IR_VERSION = 10
MIN_HALF_SIZE = 1024  # smaller tensors stay float32: they save nothing


class ExportForm(nn.Module):
    """The model at full depth for one image: all answers, and where it would leave."""

    def __init__(self, model: EarlyExitViT, policy: str = 'softmax') -> None:
        """Wrap the deployed form of a model; see `EarlyExitViT.forward_eager` for the policy."""
        super().__init__()
        self.model = model
        self.policy = policy

    def answer(self, logits: Tensor) -> Tensor:
        """Return what an exit answers."""
        return logits.float().softmax(-1)  # float16 where `to_half` made the model

    def leaves(self, answer: Tensor, before: Tensor | None, threshold: Tensor) -> Tensor:
        """Return whether the image leaves here, a bool; `before` is the answer before."""
        return measure(self.policy, answer) > threshold

    def forward(self, image: Tensor, thresholds: Tensor) -> tuple[Tensor, ...]:
        """Return the `exit_outputs` of each early exit and, last, the final exit's answer."""
        model, backbone = self.model, self.model.backbone
        tokens = backbone.walk(image, (*model.exit_layers, len(backbone.blocks) - 1))
        found: list[Tensor] = []
        before = None
        for index, (layer, head) in enumerate(zip(model.exit_layers, model.heads, strict=True)):
            x = next(tokens)
            answer = self.answer(head(backbone.exit_tokens(x, layer)))
            found += [x, answer, self.leaves(answer, before, thresholds[index])]
            before = answer
        return (*found, self.answer(backbone.classify(next(tokens))))


def round_weights_to_half(model: EarlyExitViT) -> None:
    """Round the weights that the file stores as float16, in place, so that torch runs them too."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point() and tensor.numel() >= MIN_HALF_SIZE:
            tensor.data = tensor.data.half().float()


def to_onnx(model: EarlyExitViT, metadata: ModelMetadata, *, half: bool = True) -> onnx.ModelProto:
    """Trace the deployed model into an ONNX graph with metadata; `half` as `trace` takes it."""
    form = ExportForm(model, metadata.policy)
    return trace(form, 'thresholds', 'probabilities', metadata.to_props(), half=half)


def trace(
    form: ExportForm,
    thresholds: str,
    answer: str,
    props: Mapping[str, str],
    *,
    half: bool = True,
) -> onnx.ModelProto:
    """Trace a deployed form into a graph that decides, with metadata entries.

    Its inputs are `image` and `thresholds`, its outputs `answer` and `exit_index`, the middle two
    by the names given.

    Large weights are stored as float16; without `half` they are not, so that they can be quantised.
    """
    size, exits = form.model.recipe.backbone.image_size, len(form.model.heads)
    example = (torch.zeros(1, size, size, 3, dtype=torch.uint8), torch.ones(exits))
    outputs = [name for index in range(exits) for name in exit_outputs(index)]
    for chatty in ('torch.onnx', 'onnx_ir', 'onnxscript'):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            form.eval(),
            example,
            input_names=['image', thresholds],
            output_names=[*outputs, answer],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.ir_version = IR_VERSION
    _strip_traces(proto)
    decide(proto.graph, exits, answer)
    if half:
        store_as_half(proto.graph)
    del proto.metadata_props[:]
    for key, value in props.items():
        proto.metadata_props.add(key=key, value=value)
    return proto


def write(proto: onnx.ModelProto, path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        ModelExportError: The folder is missing or cannot be written.
    """
    data = io.BytesIO(proto.SerializeToString())
    partial = path.with_suffix('.partial')
    try:
        partial.write_bytes(data.getbuffer())
        os.replace(partial, path)
    except OSError as err:
        raise ModelExportError(f'cannot write {path}: {err}') from err


def _strip_traces(proto: onnx.ModelProto) -> None:
    """Drop the stack traces that the exporter leaves on every node (tens of megabytes)."""
    graphs = [proto.graph]
    while graphs:
        graph = graphs.pop()
        del graph.metadata_props[:]
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            del value.metadata_props[:]
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ''
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    for function in proto.functions:
        del function.metadata_props[:]
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ''


def store_as_half(graph: onnx.GraphProto) -> None:
    """Store large weights as float16 behind a Cast, which ONNX Runtime folds when it loads."""
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < MIN_HALF_SIZE:
            continue
        name = tensor.name
        half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, name + '.half'))
        casts.append(
            onnx.helper.make_node('Cast', [name + '.half'], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes: Sequence[onnx.NodeProto] = [*casts, *graph.node]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                store_as_half(attribute.g)
