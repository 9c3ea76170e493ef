"""As much of the protobuf wire format as cutting a model file takes.

The robot has no `onnx` package. Fields are handed on as they are, unread: weights are never copied
before the file that they go into is put together.

Reference: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from eevit_ros.errors import EevitError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Which one, as the message's definition numbers them.
        whole: The field as it stands, to be written again.
        content: The bytes of a string, of bytes, of a message within; empty for a number.
    """

    number: int
    whole: memoryview
    content: memoryview


def read_fields(message: bytes | memoryview) -> Iterator[Field]:
    """Read a message field by field.

    Raises:
        EevitError: It ends within a field, or is no such message.
    """
    data = memoryview(message)
    position = 0
    while position < len(data):
        start = position
        tag, position = _read_varint(data, position)
        content = data[:0]
        if tag & 7 == VARINT:
            _, position = _read_varint(data, position)
        elif tag & 7 == BYTES:
            size, position = _read_varint(data, position)
            content = data[position : position + size]
            position += size
        elif tag & 7 in (FIXED64, FIXED32):
            position += 8 if tag & 7 == FIXED64 else 4
        else:
            raise EevitError(f'the file is no ONNX model: wire type {tag & 7} at byte {start}')
        if position > len(data):
            raise EevitError(f'the file is truncated: a field goes on to byte {position}')
        yield Field(tag >> 3, data[start:position], content)


def read_text(content: memoryview) -> str:
    """Read a string field's content."""
    return bytes(content).decode('utf-8', 'replace')


def write_bytes(number: int, content: bytes | memoryview) -> bytes:
    """Write a field that holds bytes, a string or a message."""
    return b''.join((_varint(number << 3 | BYTES), _varint(len(content)), content))


def write_number(number: int, value: int) -> bytes:
    """Write a field that holds a number, 0 or more."""
    return _varint(number << 3 | VARINT) + _varint(value)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number at a position, and the position behind it."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise EevitError(f'the file is truncated or no ONNX model: no number at byte {position}')


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
