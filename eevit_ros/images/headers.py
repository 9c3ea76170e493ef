"""What picture files other than JPEG say of themselves: size, whether all is there, EXIF data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
TIFF_MAGICS = (b'II*\0', b'MM\0*')

# Tags of TIFF; of strips, or of tiles.
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_STARTS, _SIZES = (273, 324), (279, 325)
_TAGS = {_WIDTH, _HEIGHT, _ORIENTATION, *_STARTS, *_SIZES}
_NONE = np.zeros(0, np.int64)

_PNM = re.compile(rb'P([1-6])(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s')
_PNM_DEPTH = re.compile(rb'(?:\s|#[^\n]*\n)*(\d{1,5})\s')


class Header(NamedTuple):
    """What a file says of itself.

    Attributes:
        height: Rows of the picture.
        width: Pixels a row.
        complete: Whether all bytes that it speaks of are there.
    """

    height: int
    width: int
    complete: bool


def is_webp(raw: bytes) -> bool:
    """Return whether bytes begin as a WebP file."""
    return raw[:4] == b'RIFF' and raw[8:12] == b'WEBP'


def read_png(raw: bytes) -> Header | None:
    """Return the header of a PNG file (ISO/IEC 15948); None if it does not have one."""
    if len(raw) < 33 or raw[12:16] != b'IHDR':
        return None
    height, width = int.from_bytes(raw[20:24], 'big'), int.from_bytes(raw[16:20], 'big')
    # Chunk by chunk: for a chunk that claims 4 GB, OpenCV 5 allocates them before it reads on.
    *_, (kind, start, size) = _png_chunks(raw)
    return Header(height, width, kind == b'IEND' and start + size + 4 <= len(raw))


def _png_chunks(raw: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and size of each chunk's content, up to the end chunk."""
    kind, at = b'', len(PNG_MAGIC)
    while kind != b'IEND' and at + 12 <= len(raw):
        kind, size = raw[at + 4 : at + 8], int.from_bytes(raw[at : at + 4], 'big')
        yield kind, at + 8, size
        at += 12 + size


def png_exif(raw: bytes) -> bytes:
    """Return the EXIF data of a PNG file, b'' if there is none."""
    return next((raw[a : a + n] for kind, a, n in _png_chunks(raw) if kind == b'eXIf'), b'')


def read_webp(raw: bytes) -> Header | None:
    """Return the header of a WebP file (RFC 9649); None if it does not have one."""
    kind, complete = raw[12:16], len(raw) >= 8 + int.from_bytes(raw[4:8], 'little')
    if len(raw) < (25 if kind == b'VP8L' else 30):
        return None
    if kind == b'VP8 ':
        width, height = (int.from_bytes(raw[at : at + 2], 'little') & 0x3FFF for at in (26, 28))
    elif kind == b'VP8L':
        bits = int.from_bytes(raw[21:25], 'little')
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b'VP8X':
        width, height = (1 + int.from_bytes(raw[at : at + 3], 'little') for at in (24, 27))
    else:
        return None
    return Header(height, width, complete)


def webp_exif(raw: bytes) -> bytes:
    """Return the EXIF data of a WebP file, b'' if there is none."""
    at = 12
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], 'little')
        if raw[at : at + 4] == b'EXIF':
            return raw[at + 8 : at + 8 + size].removeprefix(b'Exif\0\0')
        at += 8 + size + size % 2
    return b''


def read_tiff(raw: bytes) -> Header | None:
    """Return the header of a TIFF file's first picture (TIFF 6.0); None if it does not have one.

    Sides are those of the picture as TIFF readers show it: turned by its orientation.
    """
    tags = _tiff_tags(raw)
    height, width = (_first(tags, tag) for tag in (_HEIGHT, _WIDTH))
    if not width or not height:
        return None
    starts, sizes = (tags.get(a, tags.get(b, _NONE)) for a, b in (_STARTS, _SIZES))
    complete = 0 < len(starts) == len(sizes) and int((starts + sizes).max()) <= len(raw)
    sides = (width, height) if orientation(raw) > 4 else (height, width)
    return Header(*sides, complete)


def orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data or a TIFF file, 1 (upright) to 8; 1 if there is none."""
    found = _first(_tiff_tags(exif), _ORIENTATION)
    return found if 1 <= found <= 8 else 1


def _first(tags: dict[int, npt.NDArray[np.int64]], tag: int) -> int:
    found = tags.get(tag, _NONE)
    return int(found[0]) if len(found) else 0


def _tiff_tags(raw: bytes) -> dict[int, npt.NDArray[np.int64]]:
    """Return the whole numbers of the first directory, by tag, of those that count here."""
    if raw[:4] not in TIFF_MAGICS:
        return {}
    little = raw.startswith(b'II')

    def number(at: int, size: int) -> int:
        return int.from_bytes(raw[at : at + size], 'little' if little else 'big')

    tags: dict[int, npt.NDArray[np.int64]] = {}
    start = number(4, 4)
    for at in range(start + 2, min(start + 2 + 12 * number(start, 2), len(raw) - 11), 12):
        tag, size, count = number(at, 2), {3: 2, 4: 4}.get(number(at + 2, 2), 0), number(at + 4, 4)
        first = at + 8 if size * count <= 4 else number(at + 8, 4)
        if tag in _TAGS and tag not in tags and size and first + size * count <= len(raw):
            item = f'{"<" if little else ">"}u{size}'
            tags[tag] = np.frombuffer(raw, item, count, first).astype(np.int64)
    return tags


def read_bmp(raw: bytes) -> Header | None:
    """Return the header of a BMP file; None if it does not have one."""
    if len(raw) < 30:
        return None
    if int.from_bytes(raw[14:18], 'little') == 12:  # of OS/2
        width, height = (int.from_bytes(raw[at : at + 2], 'little') for at in (18, 20))
    else:
        width, height = (int.from_bytes(raw[at : at + 4], 'little', signed=True) for at in (18, 22))
    return Header(abs(height), width, int.from_bytes(raw[2:6], 'little') <= len(raw))


def read_pnm(raw: bytes) -> Header | None:
    """Return the header of a PBM, PGM or PPM file; None if it does not have one."""
    if not (found := _PNM.match(raw[:4096])):
        return None
    kind, width, height = (int(x) for x in found.groups())
    if kind < 4:  # numbers as text: only the decoder sees how many there are
        return Header(height, width, True)
    if kind == 4:
        return Header(height, width, len(raw) - found.end() >= (width + 7) // 8 * height)
    if not (depth := _PNM_DEPTH.match(raw, found.end() - 1)):
        return None
    item = (1 if int(depth[1]) < 256 else 2) * (3 if kind == 6 else 1)
    return Header(height, width, len(raw) - depth.end() >= item * width * height)
