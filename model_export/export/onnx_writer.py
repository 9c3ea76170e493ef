"""Write one self-contained ONNX file.

The graph decides by itself: a chain of `torch.cond`, one `If` an exit, in which an image that has
left passes through unchanged. Sequential and not nested, because ONNX Runtime packs the weights
of an `If` in advance only at the first depth.
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
from model_export.network.early_exit import EarlyExitViT
from model_export.network.measures import measure

FP32, FP16, INT8 = 'fp32', 'fp16', 'int8'
OPSET = 20
IR_VERSION = 10
MIN_HALF_SIZE = 1024  # smaller tensors stay float32: they save nothing


class ExportForm(nn.Module):
    """The model with its decisions inside the graph, for one image."""

    def __init__(self, model: EarlyExitViT, policy: str = 'softmax') -> None:
        """Wrap the deployed form of a model; see `EarlyExitViT.forward_eager` for the policy."""
        super().__init__()
        self.model = model
        self.policy = policy
        self.shapes = _shapes_at_exits(model)

    def answer(self, logits: Tensor) -> Tensor:
        """Return what an exit answers."""
        return logits.float().softmax(-1)  # float16 where `to_half` made the model

    def leaves(self, answer: Tensor, before: Tensor | None, threshold: Tensor) -> Tensor:
        """Return whether the image leaves here, bool (1,); `before` is the answer before."""
        return measure(self.policy, answer) > threshold

    def forward(self, image: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """Map the inputs of the model file to its outputs; see `EarlyExitViT.forward_eager`."""
        model, backbone, exit_layers = self.model, self.model.backbone, self.model.exit_layers
        x = backbone.run_layers(backbone.embed(image), 0, exit_layers[0])
        probabilities = self.answer(model.heads[0](backbone.exit_tokens(x, exit_layers[0])))
        exit_index = torch.zeros(1, dtype=torch.int32)
        left = self.leaves(probabilities, None, thresholds[0])

        for index in range(1, len(model.heads)):
            shape = self.shapes[index]

            def keep(
                x: Tensor,
                probabilities: Tensor,
                exit_index: Tensor,
                shape: tuple[int, ...] = shape,
            ) -> tuple[Tensor, ...]:
                # Both branches must give one shape. Nobody reads the tokens of an image that left.
                x = x.clone() if x.shape == shape else torch.zeros(shape, dtype=x.dtype)
                return x, probabilities.clone(), exit_index.clone()

            def go_on(
                x: Tensor,
                probabilities: Tensor,
                exit_index: Tensor,
                index: int = index,
            ) -> tuple[Tensor, ...]:
                layer = exit_layers[index]
                x = backbone.run_layers(x, exit_layers[index - 1], layer)
                probabilities = self.answer(model.heads[index](backbone.exit_tokens(x, layer)))
                return x, probabilities, torch.full((1,), index, dtype=torch.int32)

            before = probabilities
            x, probabilities, exit_index = torch.cond(
                left, keep, go_on, (x, probabilities, exit_index)
            )
            left = left | self.leaves(probabilities, before, thresholds[index])

        def stay(x: Tensor, probabilities: Tensor, exit_index: Tensor) -> tuple[Tensor, ...]:
            return probabilities.clone(), exit_index.clone()

        def finish(x: Tensor, probabilities: Tensor, exit_index: Tensor) -> tuple[Tensor, ...]:
            x = backbone.run_layers(x, exit_layers[-1], len(backbone.blocks) - 1)
            final = torch.full((1,), len(model.heads), dtype=torch.int32)
            return self.answer(backbone.classify(x)), final

        probabilities, exit_index = torch.cond(left, stay, finish, (x, probabilities, exit_index))
        return probabilities, exit_index


@torch.no_grad()
def _shapes_at_exits(model: EarlyExitViT) -> list[tuple[int, ...]]:
    """Return the shapes of the tokens after each exit's layer, for one image."""
    size = model.recipe.backbone.image_size
    image = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    return [tuple(x.shape) for x in model.backbone.walk(image, model.exit_layers)]


def round_weights_to_half(model: EarlyExitViT) -> None:
    """Round the weights that the file stores as float16, in place, so that torch runs them too."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point() and tensor.numel() >= MIN_HALF_SIZE:
            tensor.data = tensor.data.half().float()


def to_onnx(model: EarlyExitViT, metadata: ModelMetadata, *, half: bool = True) -> onnx.ModelProto:
    """Trace the deployed model into an ONNX graph with metadata; `half` as `trace` takes it."""
    form = ExportForm(model, metadata.policy)
    outputs = ('probabilities', 'exit_index')
    return trace(form, ('image', 'thresholds'), outputs, metadata.to_props(), half=half)


def trace(
    form: ExportForm,
    inputs: Sequence[str],
    outputs: Sequence[str],
    props: Mapping[str, str],
    *,
    half: bool = True,
) -> onnx.ModelProto:
    """Trace a deployed form into a graph of these inputs and outputs, with metadata entries.

    Large weights are stored as float16; without `half` they are not, so that they can be quantised.
    """
    size = form.model.recipe.backbone.image_size
    example = (torch.zeros(1, size, size, 3, dtype=torch.uint8), torch.ones(len(form.model.heads)))
    for chatty in ('torch.onnx', 'onnx_ir'):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            form.eval(),
            example,
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.ir_version = IR_VERSION
    _strip_traces(proto)
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
