"""A model file without its exit heads: the same backbone and the same places to leave.

The difference in time between the two is what the heads cost where they run, fused and packed as
on the robot. Neither timing a head alone nor adding up a profile gives that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
from google.protobuf.message import DecodeError

from eevit_ros.model.check import ModelFile
from model_export.errors import ModelExportError

CONSTANT = 'no_head'


def write_headless(model: Path, out: Path) -> None:
    """Write `model` with every early exit's head replaced by one constant answer.

    Thresholds of 0 and 1 still force every exit.

    Args:
        model: An `.onnx` file as `onnx_writer.py` writes it: one `If` an exit but the first, whose
            branches give (tokens, probabilities, exit index), the last without tokens.
        out: The file to write.

    Raises:
        ModelExportError: It is not an ONNX model, or its graph has another form.
        EevitError: The file cannot be read.
    """
    try:
        proto = onnx.load_from_string(ModelFile(model).read())
    except DecodeError as err:
        raise ModelExportError(f'{model} is not an ONNX model: export it again ({err})') from err
    graph = proto.graph
    stages = [node for node in graph.node if node.op_type == 'If' and len(node.output) == 3]
    final = [node for node in graph.node if node.op_type == 'If' and len(node.output) == 2]
    thresholds = next((one for one in graph.input if one.name == 'thresholds'), None)
    exits = thresholds.type.tensor_type.shape.dim[0].dim_value if thresholds is not None else 0
    if len(final) != 1 or len(stages) != exits - 1:
        raise ModelExportError(
            f'{model}: expected one If an exit, {exits} in all. Got {len(stages)} with tokens and '
            f'{len(final)} without; export the model again'
        )
    classes = _width(graph, 'probabilities')
    # Neither sure nor undecided: every measure of it lies between the thresholds 0 and 1.
    answer = np.full((1, classes), 0.5 / (classes - 1), np.float32)
    answer[0, 0] = 0.5
    graph.initializer.append(onnx.numpy_helper.from_array(answer, CONSTANT))
    keep = _branch((stages or final)[0], 'then_branch')
    place = 1 if stages else 0  # of the probabilities among what a branch gives
    first_head = _made_by(keep, keep.output[place].name).input[0]
    for one in _all_graphs(graph):
        for node in one.node:
            for index, name in enumerate(node.input):
                if name == first_head:
                    node.input[index] = CONSTANT
    for stage in stages:
        branch = _branch(stage, 'else_branch')
        name = branch.output[1].name
        branch.node.remove(_made_by(branch, name))
        branch.node.append(onnx.helper.make_node('Identity', [CONSTANT], [name]))
        _drop_unused(branch)
    _drop_unused(graph)
    out.write_bytes(proto.SerializeToString())


def _width(graph: onnx.GraphProto, output: str) -> int:
    value = next(one for one in graph.output if one.name == output)
    return int(value.type.tensor_type.shape.dim[1].dim_value)


def _branch(node: onnx.NodeProto, name: str) -> onnx.GraphProto:
    return next(attribute.g for attribute in node.attribute if attribute.name == name)


def _made_by(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    return next(node for node in graph.node if name in node.output)


def _all_graphs(graph: onnx.GraphProto) -> Iterable[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _all_graphs(attribute.g)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes that nothing needs: ONNX Runtime would run them."""
    needed = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):  # in topological order, so users come after makers
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
            continue
        needed.update(node.input)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                for inner in _all_graphs(attribute.g):
                    needed.update(name for one in inner.node for name in one.input)
                    needed.update(value.name for value in inner.output)
    for initializer in [one for one in graph.initializer if one.name not in needed]:
        graph.initializer.remove(initializer)
