"""Reading and writing ONNX files, as far as checking them and cutting them into stages needs.

Why not the `onnx` package: it copies every weight. With it, opening a model in stages peaked at
1.25 times the memory (demo model) and 1.37 times (ViT-B/16 with eight exits, fp32) and took 1.24
and 1.42 times the CPU time; as one graph 1.10 and 1.01 times the peak, 1.08 and 1.09 times the CPU
time. (onnx 1.23.2, protobuf 7.36.2, ONNX Runtime 1.32.0 on the CPU; medians of the ratios of fresh
processes, started in turns.)

References:
    https://protobuf.dev/programming-guides/encoding (the bytes)
    https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 (the field numbers)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from eevit_ros.errors import EevitError

Bytes = bytes | memoryview

# Wire types: how a field's content is encoded.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# Fields that lead to tensors, by message, and the message each holds. A repeated field is followed
# every time: protobuf merges repetitions.
LEADS_TO = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'function': {7: 'node', 11: 'attribute'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
    'tensor': {},
}
EXTERNAL = {13, 14}  # of a tensor: external_data, data_location
HERE = b'\x70\x00'  # data_location DEFAULT, which some tools write out
ELSEWHERE = b'\x70\x01'  # data_location EXTERNAL
HALF = b'\x10\x0a'  # data_type FLOAT16
LEAST_OUTSIDE = 4096  # bytes; a smaller weight is not worth looking up

# TensorProto.DataType by ONNX Runtime's name, of those that tensors between stages may have.
ELEMENT_TYPES = {
    'tensor(float)': 1,
    'tensor(uint8)': 2,
    'tensor(int32)': 6,
    'tensor(int64)': 7,
    'tensor(bool)': 9,
    'tensor(float16)': 10,
}


class Field(NamedTuple):
    """One field of a message, unparsed: weights are not copied until they are written again.

    Attributes:
        number: The field's number in the message's definition.
        whole: The encoded field.
        content: The bytes of a string, of bytes or of a nested message; empty for a number.
        start: Position of `content` in the message.
    """

    number: int
    whole: memoryview
    content: memoryview
    start: int


class Node:
    """A NodeProto.

    Attributes:
        whole: The encoded field of its graph.
        kind: The operator: 'Conv', 'If', ...
        outputs: Names of the tensors it writes.
        branches: Nested graphs, by the attribute's name: 'then_branch', ...
        reads: Names of the tensors it reads, including outer ones read by its branches.
    """

    def __init__(self, field: Field) -> None:
        """Read it and its branches."""
        found = _by_number(field.content)
        self.whole = field.whole
        self.kind = _text(found[4])
        self.outputs = _texts(found[2])
        attributes = [_by_number(one.content) for one in found[5]]
        self.branches = {_text(one[1]): Graph(*_contents(one[6])) for one in attributes if one[6]}
        self.reads = [name for name in _texts(found[1]) if name]  # '': an input that is left out
        for branch in self.branches.values():
            self.reads += branch.reads_from_outside()


class Graph:
    """A GraphProto: the model's, or one branch of an `If`.

    Attributes:
        nodes: The nodes, in an order in which they can run.
        weights: Encoded initializers, by name.
        inputs: Encoded inputs (ValueInfoProto), by name.
        outputs: Names of the outputs, in order.
    """

    def __init__(self, *parts: Bytes) -> None:
        """Parse a graph from its parts, which protobuf merges; no part is an empty graph."""
        found = _by_number(*parts)
        self.nodes = [Node(field) for field in found[1]]
        self.weights = {_name(field, 8): field.whole for field in found[5]}
        self.inputs = {_name(field, 1): field.whole for field in found[11]}
        self.outputs = [_name(field, 1) for field in found[12]]

    def follow(self, name: str) -> str:
        """Return the tensor that a chain of Identity nodes copies to `name`."""
        for node in reversed(self.nodes):
            if node.kind == 'Identity' and name in node.outputs:
                name = node.reads[0]
        return name

    def reads_from_outside(self) -> list[str]:
        """Return the names of the tensors that a branch reads from the graph around it."""
        inside = {name for node in self.nodes for name in node.outputs}
        inside.update(self.weights, self.inputs)
        reads = (name for node in self.nodes for name in node.reads)
        return [name for name in dict.fromkeys(reads) if name not in inside]


class Model:
    """A ModelProto.

    Attributes:
        graph: The graph.
        props: The metadata entries.
        rest: All other fields, encoded: versions, functions.
    """

    def __init__(self, data: bytes) -> None:
        """Parse a file's bytes.

        Raises:
            EevitError: They are truncated or no ModelProto.
        """
        found = _by_number(data)
        self.graph = Graph(*_contents(found.pop(7, [])))
        entries = [_by_number(content) for content in _contents(found.pop(14, []))]
        self.props = {_text(entry[1]): _text(entry[2]) for entry in entries}
        self.rest = [field.whole for fields in found.values() for field in fields]

    def write(
        self,
        nodes: Iterable[Node],
        weights: Iterable[Bytes],
        inputs: Iterable[Bytes],
        outputs: Iterable[str],
    ) -> bytes:
        """Encode a model with a part of the graph; ONNX Runtime infers the outputs' types."""
        graph = (
            *(node.whole for node in nodes),
            _field(2, b'stage'),
            *weights,
            *inputs,
            *(_field(12, _field(1, name.encode())) for name in outputs),
        )
        return b''.join((*self.rest, _head(7, sum(map(len, graph))), *graph))  # copied once


def is_self_contained(data: bytes) -> bool:
    """Return whether no tensor of a file points outside: to another file or a memory address.

    ONNX Runtime cannot be relied on to refuse: even for a model given as bytes, several versions
    read such weights from files in the working directory or above it, and some accept an address in
    this process. So the whole file is walked as ONNX Runtime would read it.

    Raises:
        EevitError: The file is truncated or no ONNX model.
    """
    todo = [('model', memoryview(data))]
    while todo:
        kind, message = todo.pop()
        leads_to = LEADS_TO[kind]
        for field in _read_fields(message):
            if kind == 'tensor' and field.number in EXTERNAL and field.whole != HERE:
                return False
            if field.number in leads_to:
                todo.append((leads_to[field.number], field.content))
    return True


def leave_weights_in(file_name: bytes, data: bytes) -> bytes:
    """Return a model that says where in a file its weights lie, in place of these weights.

    Only those in half precision that the graph unpacks: ONNX Runtime maps one after the other into
    memory, unpacks it and lets go of it, where it would have copied all of them first. It might
    compute with any other weight where it lies, and the file may change later.

    Args:
        file_name: The file's name, without its folder.
        data: Its bytes. If most of them are no such weights, b'' is returned.
    """
    parts: list[Bytes] = []
    for field in _read_fields(data):
        parts += _without_weights(field, file_name) if field.number == 7 else [field.whole]
    return b''.join(parts) if 2 * sum(map(len, parts)) < len(data) else b''


def _without_weights(graph: Field, file_name: bytes) -> list[Bytes]:
    """Return a model's field `graph` in parts, see `leave_weights_in`."""
    fields = [*_read_fields(graph.content)]
    nodes = [_by_number(field.content) for field in fields if field.number == 1]
    unpacked = {name for node in nodes if _text(node[4]) == 'Cast' for name in _texts(node[1])}
    parts: list[Bytes] = []
    for field in fields:
        tensor = _by_number(field.content) if field.number == 5 else _by_number()
        size = len(tensor[9][0].content) if len(tensor[9]) == 1 else 0
        half = [kind.whole for kind in tensor[2]] == [HALF]
        if half and size >= LEAST_OUTSIDE and _text(tensor[8]) in unpacked:
            start = graph.start + field.start + tensor[9][0].start
            where = {b'location': file_name, b'offset': b'%d' % start, b'length': b'%d' % size}
            entries = (_field(13, _field(1, key) + _field(2, where[key])) for key in where)
            kept = (one.whole for number in (1, 2, 8) for one in tensor[number])
            parts.append(_field(5, b''.join((*kept, *entries, ELSEWHERE))))
        else:
            parts.append(field.whole)
    return [_head(7, sum(map(len, parts))), *parts]


def describe_input(name: str, kind: str, shape: Sequence[int | str | None]) -> bytes:
    """Encode the description of a graph's input.

    Args:
        name: The tensor's name.
        kind: Its type, a key of `ELEMENT_TYPES`.
        shape: Its sizes from ONNX Runtime; None or a name stands for an unknown one.

    Raises:
        EevitError: The type is not expected between stages.
    """
    if kind not in ELEMENT_TYPES:
        raise EevitError(f'{name!r} between stages must be one of {[*ELEMENT_TYPES]}. Got {kind}')
    sizes = (_field(1, size) if isinstance(size, int) else b'' for size in shape)
    dims = b''.join(_field(1, size) for size in sizes)
    tensor = _field(1, ELEMENT_TYPES[kind]) + _field(2, dims)
    return _field(11, _field(1, name.encode()) + _field(2, _field(1, tensor)))


def _read_fields(message: Bytes) -> Iterator[Field]:
    data = memoryview(message)
    nothing = data[:0]
    position = 0
    while position < len(data):
        start = position
        tag, position = data[start], start + 1
        if tag >= 0x80:  # rarely, and a call takes longer than all else here
            tag, position = _read_varint(data, start)
        content, inside = nothing, position
        wire = tag & 7
        if wire == VARINT:
            _, position = _read_varint(data, position)
        elif wire == BYTES:
            size, inside = _read_varint(data, position)
            position = inside + size
            content = data[inside:position]
        elif wire in (FIXED64, FIXED32):
            position += 8 if wire == FIXED64 else 4
        else:
            raise EevitError(f'the file is no ONNX model: wire type {wire} at byte {start}')
        if position > len(data):
            raise EevitError(f'the file is truncated: a field goes on to byte {position}')
        yield Field(tag >> 3, data[start:position], content, inside)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position after it."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise EevitError(f'the file is truncated or no ONNX model: no number at byte {position}')


def _by_number(*parts: Bytes) -> defaultdict[int, list[Field]]:
    """Return a message's fields by number; its parts are merged as protobuf does."""
    found = defaultdict(list)
    for part in parts:
        for field in _read_fields(part):
            found[field.number].append(field)
    return found


def _contents(fields: Iterable[Field]) -> list[memoryview]:
    return [field.content for field in fields]


def _texts(fields: Iterable[Field]) -> list[str]:
    return [bytes(field.content).decode('utf-8', 'replace') for field in fields]


def _text(fields: Sequence[Field]) -> str:
    """Return a string field's value; if it is repeated, the last one counts."""
    return ''.join(_texts(fields[-1:]))


def _name(field: Field, number: int) -> str:
    return _text(_by_number(field.content)[number])


def _field(number: int, value: int | Bytes) -> bytes:
    """Encode a field: a number of 0 or more, or bytes, a string or a message."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return b''.join((_head(number, len(value)), value))


def _head(number: int, size: int) -> bytes:
    """Encode what precedes a field's content of `size` bytes."""
    return _varint(number << 3 | BYTES) + _varint(size)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
