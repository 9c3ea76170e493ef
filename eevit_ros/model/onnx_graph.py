"""An ONNX graph as far as cutting takes: which node reads and writes what. Without `onnx`.

Reference: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 (the field numbers)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eevit_ros.errors import EevitError
from eevit_ros.model.protobuf import read_fields, read_text, write_bytes, write_number

# TensorProto.DataType by ONNX Runtime's name: those that tensors between stages may have.
ELEMENT_TYPES = {
    'tensor(float)': 1,
    'tensor(uint8)': 2,
    'tensor(int32)': 6,
    'tensor(int64)': 7,
    'tensor(bool)': 9,
    'tensor(float16)': 10,
}


@dataclass
class Node:
    """One node.

    Attributes:
        whole: NodeProto as a field of its graph.
        kind: 'Conv', 'If', ...
        outputs: What it writes.
        reads: What it reads, its branches' reads of outer tensors included.
        branches: Graphs within, by the attribute's name: 'then_branch', ...
    """

    whole: memoryview
    kind: str = ''
    outputs: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    branches: dict[str, Graph] = field(default_factory=dict)


@dataclass
class Graph:
    """A graph or one branch of an `If`.

    Attributes:
        nodes: In an order in which they can run.
        weights: Initializers as fields, by name.
        inputs: Inputs as fields (ValueInfoProto), by name.
        outputs: Names, in order.
    """

    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, memoryview] = field(default_factory=dict)
    inputs: dict[str, memoryview] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    def follow(self, name: str) -> str:
        """Go back from a copy to what it is a copy of."""
        for node in reversed(self.nodes):
            if node.kind == 'Identity' and name in node.outputs:
                name = node.reads[0]
        return name

    def reads_from_outside(self) -> list[str]:
        """Name what a branch reads of the graph around it."""
        inside = {name for node in self.nodes for name in node.outputs}
        inside.update(self.weights, self.inputs)
        reads = (name for node in self.nodes for name in node.reads)
        return [name for name in dict.fromkeys(reads) if name not in inside]


@dataclass
class Model:
    """A model file.

    Attributes:
        graph: What it computes.
        rest: All fields beside the graph and the metadata: versions, functions.
        props: The metadata entries.
    """

    graph: Graph
    rest: list[memoryview]
    props: dict[str, str]


def read_model_proto(data: bytes) -> Model:
    """Read a ModelProto.

    Raises:
        EevitError: It is truncated or no such thing.
    """
    model = Model(Graph(), [], {})
    for part in read_fields(data):
        if part.number == 7:
            model.graph = _read_graph(part.content)
        elif part.number == 14:
            entry = {one.number: read_text(one.content) for one in read_fields(part.content)}
            model.props[entry.get(1, '')] = entry.get(2, '')
        else:
            model.rest.append(part.whole)
    return model


def write_model_proto(
    rest: Iterable[memoryview],
    nodes: Iterable[Node],
    weights: Iterable[memoryview],
    inputs: Iterable[bytes | memoryview],
    outputs: Iterable[str],
) -> bytes:
    """Put a ModelProto together; ONNX Runtime finds the outputs' types by itself."""
    graph = b''.join(
        (
            *(node.whole for node in nodes),
            write_bytes(2, b'stage'),
            *weights,
            *inputs,
            *(write_bytes(12, write_bytes(1, name.encode())) for name in outputs),
        )
    )
    return b''.join((*rest, write_bytes(7, graph)))


def describe_input(name: str, kind: str, shape: Sequence[int | str | None]) -> bytes:
    """Describe an input of a graph.

    Args:
        name: The tensor's.
        kind: A key of `ELEMENT_TYPES`.
        shape: Sizes as ONNX Runtime names them; no number where one is not known.

    Raises:
        EevitError: The kind is none that is expected between stages.
    """
    if kind not in ELEMENT_TYPES:
        raise EevitError(f'{name!r} between stages must be one of {[*ELEMENT_TYPES]}. Got {kind}')
    sizes = (write_number(1, size) if isinstance(size, int) else b'' for size in shape)
    dims = b''.join(write_bytes(1, size) for size in sizes)
    tensor = write_number(1, ELEMENT_TYPES[kind]) + write_bytes(2, dims)
    info = write_bytes(1, name.encode()) + write_bytes(2, write_bytes(1, tensor))
    return write_bytes(11, info)


def _read_graph(content: memoryview) -> Graph:
    graph = Graph()
    for part in read_fields(content):
        if part.number == 1:
            graph.nodes.append(_read_node(part.whole, part.content))
        elif part.number == 5:
            graph.weights[_name(part.content, 8)] = part.whole
        elif part.number == 11:
            graph.inputs[_name(part.content, 1)] = part.whole
        elif part.number == 12:
            graph.outputs.append(_name(part.content, 1))
    return graph


def _read_node(whole: memoryview, content: memoryview) -> Node:
    node = Node(whole)
    for part in read_fields(content):
        if part.number == 1 and part.content:  # an optional input that is left out has no name
            node.reads.append(read_text(part.content))
        elif part.number == 2:
            node.outputs.append(read_text(part.content))
        elif part.number == 4:
            node.kind = read_text(part.content)
        elif part.number == 5:
            for one in read_fields(part.content):
                if one.number == 6:
                    branch = _read_graph(one.content)
                    node.branches[_name(part.content, 1)] = branch
                    node.reads += branch.reads_from_outside()
    return node


def _name(content: memoryview, number: int) -> str:
    return next(
        (read_text(one.content) for one in read_fields(content) if one.number == number), ''
    )
