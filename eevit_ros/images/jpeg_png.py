"""JPEG and PNG bytes to pixels, with the checks that a camera on a bad cable needs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import MAX_PIXELS, InputSize, check_size

JPEG_MAGIC = b'\xff\xd8\xff'
PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
MAX_BYTES = 4 * MAX_PIXELS

# Unlike IMREAD_UNCHANGED, these rotate the image by its EXIF orientation unless told not to.
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b'\xff\xd9'
_BARE_MARKERS = {0x00, 0x01, 0xFF, *range(0xD0, 0xD9)}  # fill bytes, or markers without a length
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def decompress(raw: bytes, name: str, size: InputSize | None = None) -> npt.NDArray[Any]:
    """Decode a JPEG or PNG file, whichever the bytes say it is.

    The header is checked before anything is decoded, see `check_header`. Truncated files, which
    older OpenCV decodes to partly grey images, are refused. Loss in the middle of a JPEG whose end
    is intact is not detected.

    Args:
        raw: The file's bytes.
        name: The file's name in errors.
        size: The model input that the pixels are for, if they serve nothing else: a much larger
            JPEG is decoded at a half, a quarter or an eighth of its sides, which saves most of the
            inverse transform.

    Returns:
        uint8 or uint16 (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA; EXIF orientation ignored.
        A reduced JPEG has the file's sides divided by `InputSize.reduction`.

    Raises:
        EevitError: Empty, truncated, corrupt, too large or another format.
    """
    height, width = check_header(raw, name)
    by, flags = 1, cv2.IMREAD_UNCHANGED
    if size is not None and raw.startswith(JPEG_MAGIC):
        by = size.reduction(height, width)
        flags = _REDUCED.get(by, flags)
    problem = ''
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error as err:
        image, problem = None, f' ({err.err})'
    if image is None or image.shape[:2] != (height // by, width // by):
        raise EevitError(
            f'{name} of {width}x{height} pixels, {len(raw)} bytes, is corrupt or of a kind that '
            f'OpenCV {cv2.__version__} does not read{problem}: check the link to the camera, '
            f'then the encoder'
        )
    return np.asarray(image)


def check_header(raw: bytes, name: str) -> tuple[int, int]:
    """Return height and width of a JPEG or PNG file without decoding it.

    So a small file cannot claim all memory, nor a huge one hours of decoding.

    Args:
        raw: The file's bytes.
        name: The file's name in errors.

    Raises:
        EevitError: Empty, truncated, too large or another format.
    """
    if len(raw) > MAX_BYTES:
        raise EevitError(
            f'{name} has {len(raw)} bytes, more than {MAX_BYTES}: lower the resolution, or '
            'fix the driver'
        )
    if raw.startswith(JPEG_MAGIC):
        height, width, complete = _read_jpeg_header(raw, name)
    elif raw.startswith(PNG_MAGIC):
        height, width, complete = _read_png_header(raw, name)
    else:
        raise EevitError(
            f'{name} is neither JPEG nor PNG: it has {len(raw)} bytes and starts with '
            f'[{raw[:8].hex(" ")}]: make the camera publish JPEG or PNG'
        )
    check_size(height, width)
    if not complete:
        raise EevitError(
            f'{name} of {width}x{height} pixels is truncated: {len(raw)} bytes without an end '
            f'marker: check the link to the camera'
        )
    return height, width


def _read_jpeg_header(raw: bytes, name: str) -> tuple[int, int, bool]:
    """Return height, width and whether the end marker is there (ITU-T T.81, annex B)."""
    height = width = marker = 0
    at = 2
    while marker != _START_OF_SCAN:
        at = raw.find(b'\xff', at)
        if at < 0 or at + 9 > len(raw):
            raise EevitError(
                f'{name} is truncated or corrupt: its JPEG header does not end within '
                f'{len(raw)} bytes: check the link to the camera'
            )
        marker = raw[at + 1]
        if marker in _BARE_MARKERS:
            at += 1
            continue
        if marker in _FRAME_MARKERS:
            height = int.from_bytes(raw[at + 5 : at + 7], 'big')
            width = int.from_bytes(raw[at + 7 : at + 9], 'big')
        at += 2 + int.from_bytes(raw[at + 2 : at + 4], 'big')
    # Search only after the header, where a thumbnail may have an end marker of its own; compressed
    # data cannot contain one. Backwards, because some cameras pad the file after it.
    return height, width, raw.rfind(_END_OF_IMAGE, at) >= 0


def _read_png_header(raw: bytes, name: str) -> tuple[int, int, bool]:
    """Return height, width and whether the end chunk is there (ISO/IEC 15948)."""
    if len(raw) < 24 or raw[12:16] != b'IHDR':
        raise EevitError(
            f'{name} is truncated or corrupt: no PNG header within {len(raw)} bytes: '
            f'check the link to the camera'
        )
    height, width = int.from_bytes(raw[20:24], 'big'), int.from_bytes(raw[16:20], 'big')
    # Chunk by chunk: for a chunk that claims 4 GB, OpenCV 5 allocates them before it reads on.
    kind, at = b'', len(PNG_MAGIC)
    while kind != b'IEND' and at + 12 <= len(raw):
        kind = raw[at + 4 : at + 8]
        at += 12 + int.from_bytes(raw[at : at + 4], 'big')
    return height, width, kind == b'IEND' and at <= len(raw)
