"""What a JPEG file says of itself (ITU-T T.81, annex B), and whether all of it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

JPEG_MAGIC = b'\xff\xd8\xff'
END_OF_IMAGE = b'\xff\xd9'

_START_OF_SCAN = 0xDA
_BARE_MARKERS = {0x00, 0x01, 0xFF, *range(0xD0, 0xD9)}  # fill bytes, or markers without a length
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1 = 0xE1
_MAKERS = (b'JFIF\0', b'Exif\0', b'AVI1\0')  # of the first segment
_IN_SCAN = re.compile(rb'\xff+[^\x00\xd0-\xd7\xff]')  # what ends the compressed data of a scan
_RESTART = re.compile(rb'\xff[\xd0-\xd7]')
_COEFFICIENTS = 64
_ZEROS = 3  # bytes in which the data of an even grey picture may end

# Two guesses at lost data that differ in every bit, hold no marker, and are enough for many blocks.
# They change from byte to byte: repeated, they add up to the same white or black block.
_GUESS = bytes(1 + number * 37 % 254 for number in range(1, 513))
_GUESSES = (_GUESS, bytes(255 - byte for byte in _GUESS))


class JpegHeader(NamedTuple):
    """Where things are in a JPEG file.

    Attributes:
        height: Rows of the picture.
        width: Pixels a row.
        scan: Place of the first scan's marker.
    """

    height: int
    width: int
    scan: int


def read_header(raw: bytes) -> JpegHeader | None:
    """Return the header of a JPEG file; None if it does not end within the file."""
    height = width = marker = 0
    at = 2
    while marker != _START_OF_SCAN:
        at = raw.find(b'\xff', at)
        if at < 0 or at + 9 > len(raw):
            return None
        marker = raw[at + 1]
        if marker in _BARE_MARKERS:
            at += 1
            continue
        if marker in _FRAME_MARKERS:
            height = int.from_bytes(raw[at + 5 : at + 7], 'big')
            width = int.from_bytes(raw[at + 7 : at + 9], 'big')
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], 'big')
    return JpegHeader(height, width, at)


def begins_as_jpeg(data: memoryview) -> bool:
    """Return whether bytes begin as a JPEG file, and no pixels could.

    That is the name of its kind, or segment after segment, each as long as it says, up to that of
    a frame.
    """
    if bytes(data[:3]) != JPEG_MAGIC:
        return False
    if bytes(data[6:11]) in _MAKERS:
        return True
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], 'big')
        if marker in _FRAME_MARKERS:
            return length == 8 + 3 * data[at + 9]
        if marker in _BARE_MARKERS or length < 2:
            return False
        at += 2 + length
    return False


def has_end(raw: bytes, header: JpegHeader) -> bool:
    """Return whether there is an end marker.

    Searched only after the header, where a thumbnail may have an end marker of its own; compressed
    data cannot contain one. Backwards, because some cameras pad the file after it.
    """
    return raw.rfind(END_OF_IMAGE, header.scan) >= 0


def without_padding(raw: bytes) -> bytes:
    """Return a file without an end marker, without what a driver's larger buffer has behind it.

    The picture's own data may end with a few zeros; half an end marker goes, too.
    """
    return raw[: len(raw.rstrip(b'\0')) + _ZEROS].rstrip(b'\xff')


def complete_scans(body: bytes) -> int:
    """Return the number of scans; 0 if not every bit of every component is in one of them.

    The last one may be cut.
    """
    components = count = 0
    lowest: dict[tuple[int, int], int] = {}  # bit that came, by component and coefficient
    for marker, segment in _segments(body):
        if marker in _FRAME_MARKERS and len(segment) >= 6:
            components = segment[5]
        if marker == _START_OF_SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            count += 1
            ids = segment[1 : 1 + 2 * segment[0] : 2]
            first, last, bits = segment[1 + 2 * segment[0] : 4 + 2 * segment[0]]
            lowest |= {key: bits & 15 for key in product(ids, range(first, last + 1))}
    return 0 if len(lowest) != components * _COEFFICIENTS or any(lowest.values()) else count


def with_guessed_ends(body: bytes, header: JpegHeader) -> tuple[bytes, ...]:
    """Return a file without an end marker twice, continued in two ways.

    If both decode to the same picture, none of it depends on what is not there.
    """
    restarts = _RESTART.findall(body, header.scan)
    following = 0xD0 + (restarts[-1][1] + 1) % 8 if restarts else 0xD0
    return tuple(
        b''.join((body, guess, bytes((0xFF, following)), guess, END_OF_IMAGE)) for guess in _GUESSES
    )


def _segments(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment that is there in full."""
    at = 2
    while found := _IN_SCAN.search(raw, at):
        at = found.end()
        length = int.from_bytes(raw[at : at + 2], 'big')
        if length < 2 or at + length > len(raw):
            return
        yield raw[at - 1], raw[at + 2 : at + length]
        at += length


def exif(raw: bytes) -> bytes:
    """Return the EXIF data of a JPEG file, b'' if there is none."""
    for marker, segment in _segments(raw):
        if marker == _START_OF_SCAN:
            break
        if marker == _APP1 and segment.startswith(b'Exif\0\0'):
            return segment[6:]
    return b''
