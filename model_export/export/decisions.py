"""The decisions in a graph: one `If` for each exit but the first, all in a row.

A network is traced at full depth with all of its exits, and its nodes are moved here: what lies
between two exits runs in the `else_branch` of an `If`, and through its `then_branch` an image that
has left passes unchanged. In a row and not nested, because ONNX Runtime packs the weights of an
`If` in advance only at the first depth. `eevit_ros/model/stages.py` cuts such a row into stages.

Weights stay in the graph around the branches, but for those of convolutions: ONNX Runtime blocks
the channels of a convolution only beside its weights, and it is to round as in a stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import onnx
from onnx.helper import make_graph, make_node, make_tensor, make_tensor_value_info

INT32, INT64 = onnx.TensorProto.INT32, onnx.TensorProto.INT64
EXIT_INDEX = 'exit_index'

Nodes = Sequence[onnx.NodeProto]
Values = Mapping[str, onnx.ValueInfoProto]


def exit_outputs(index: int) -> tuple[str, str, str]:
    """Return the names of an early exit's outputs in a trace.

    They are the tokens that the next layer takes, the answer, and whether the image leaves: a bool.
    """
    return f'tokens_{index}', f'answer_{index}', f'leaves_{index}'


def decide(graph: onnx.GraphProto, exits: int, answer: str) -> None:
    """Let a traced network stop at the exit that is taken, in place.

    Args:
        graph: Its outputs are the `exit_outputs` of each early exit and the final exit's answer.
            Afterwards they are the answer of the exit taken and `exit_index`, int32 (1,).
        exits: Number of early exits.
        answer: Name of the final exit's answer and of the new output.
    """
    indices = [*(f'{EXIT_INDEX}_{index}' for index in range(exits)), EXIT_INDEX]
    values = {one.name: one for one in (*graph.value_info, *graph.output)}
    values.update((name, make_tensor_value_info(name, INT32, [1])) for name in indices)
    made = {one.name for one in (*graph.input, *graph.initializer)}
    readers = Counter(name for node in graph.node for name in set(_reads(node)))
    nodes: list[onnx.NodeProto] = []

    def add(*new: onnx.NodeProto) -> None:
        nodes.extend(new)
        made.update(name for node in new for name in node.output)

    def missing(*names: str) -> Nodes:
        """Return copies of the nodes that compute these tensors from those made so far."""
        wanted, found = set(names), []
        for node in reversed(graph.node):  # who reads a tensor comes after who makes it
            if wanted.difference(made).intersection(node.output):
                wanted.update(_reads(node))
                found.append(onnx.NodeProto.FromString(node.SerializeToString()))
        return found[::-1]

    def take_weights(branch: Nodes) -> list[onnx.TensorProto]:
        """Remove from the graph what only the convolutions of a branch read, and return it."""
        names = {name for node in branch if node.op_type == 'Conv' for name in node.input[1:]}
        taken = []
        for index, one in reversed([*enumerate(graph.initializer)]):
            if one.name in names and readers[one.name] == 1:
                taken.append(onnx.TensorProto.FromString(one.SerializeToString()))
                del graph.initializer[index]
        return taken

    def go_on(before: Sequence[str], after: Sequence[str], index: int) -> onnx.NodeProto:
        branch = missing(*after[:-1])
        return _go_on(left, before, after, branch, take_weights(branch), index, values)

    graph.initializer.append(make_tensor(indices[0], INT32, [1], [0]))
    tokens, answered, left = exit_outputs(0)
    add(*missing(tokens, answered, left))
    before = [tokens, answered, indices[0]]
    for index in range(1, exits):
        tokens, answered, leaves = exit_outputs(index)
        after = [tokens, answered, indices[index]]
        add(go_on(before, after, index))
        add(*missing(leaves), make_node('Or', [left, leaves], [f'left_{index}'], f'left_{index}'))
        before, left = after, f'left_{index}'
    add(go_on(before[1:], [answer, EXIT_INDEX], exits))

    described = _described(nodes[:-1], values)
    for field, new in (
        (graph.node, nodes),
        (graph.output, [values[answer], values[EXIT_INDEX]]),
        (graph.value_info, described),
    ):
        del field[:]
        field.extend(new)


def _go_on(
    left: str,
    before: Sequence[str],
    after: Sequence[str],
    nodes: Nodes,
    weights: Sequence[onnx.TensorProto],
    index: int,
    values: Values,
) -> onnx.NodeProto:
    """Return an `If` that passes on `before` where the image has `left`, else runs to exit `index`.

    Args:
        left: Name of the condition.
        before: Tensors at the exit before, the exit index last.
        after: The same at this exit.
        nodes: They compute `after`, but for the exit index.
        weights: Weights that only they read.
        index: The exit index.
        values: Types and shapes of all of them.
    """
    described = _described(nodes, values)
    inside = {name: f'{name}_inside' for name in after}
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [inside.get(name, name) for name in names]
    own = [*weights, make_tensor(inside[after[-1]], INT32, [1], [index])]
    outputs = [_renamed(values[name], inside[name]) for name in after]
    go_on = make_graph(nodes, f'to_exit_{index}', [], outputs, own, value_info=described)

    outputs = [_renamed(values[name], f'{name}_kept') for name in after]
    kept, shapes = [], []
    for name, output in zip(before, outputs, strict=True):
        tensor = output.type.tensor_type
        if values[name].type == output.type:
            kept.append(make_node('Identity', [name], [output.name]))
            continue
        # Both branches must give one shape. Nobody reads the tokens of an image that left.
        sizes = [dimension.dim_value for dimension in tensor.shape.dim]
        shapes.append(make_tensor(f'{output.name}_shape', INT64, [len(sizes)], sizes))
        zero = make_tensor('zero', tensor.elem_type, [1], [0])
        kept.append(
            make_node('ConstantOfShape', [f'{output.name}_shape'], [output.name], value=zero)
        )
    keep = make_graph(kept, f'left_before_exit_{index}', [], outputs, shapes)
    return make_node('If', [left], after, f'exit_{index}', then_branch=keep, else_branch=go_on)


def _reads(node: onnx.NodeProto) -> Iterable[str]:
    """Return the names that a node reads, those inside its own branches included."""
    inner = (one for attribute in node.attribute for one in attribute.g.node)
    return [*node.input, *(name for one in inner for name in _reads(one))]


def _described(nodes: Nodes, values: Values) -> list[onnx.ValueInfoProto]:
    return [values[name] for node in nodes for name in node.output if name in values]


def _renamed(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    renamed = onnx.ValueInfoProto(name=name)
    renamed.type.CopyFrom(value.type)
    return renamed
