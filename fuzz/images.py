"""sensor_msgs/Image: headers that fit their data, nearly fit it, or are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.encodings import SUPPORTED_ENCODINGS
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.raw import decode_image
from eevit_ros.images.resize import INTERPOLATIONS, MAX_PIXELS, MODES, ResizeRule, resize
from fuzz import Wrong

# Written down a second time, from the encodings' definitions: bytes a pixel.
PIXEL_BYTES = {
    **dict.fromkeys(('rgb8', 'bgr8', '8UC3'), 3),
    **dict.fromkeys(('rgba8', 'bgra8', '8UC4'), 4),
    **dict.fromkeys(('rgb16', 'bgr16', '16UC3'), 6),
    **dict.fromkeys(('rgba16', 'bgra16', '16UC4'), 8),
    **dict.fromkeys(('mono8', '8UC1'), 1),
    **dict.fromkeys(('mono16', '16UC1', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'), 2),
    **dict.fromkeys(('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'), 1),
    **dict.fromkeys(('bayer_rggb16', 'bayer_bggr16', 'bayer_gbrg16', 'bayer_grbg16'), 2),
    **{
        f'{bits}{kind}C{n}': bits // 8 * n
        for bits, kind in ((8, 'S'), (16, 'S'), (32, 'S'), (32, 'F'), (64, 'F'))
        for n in (1, 3, 4)
    },
    **dict.fromkeys(('nv12', 'nv21', 'i420', 'yv12', 'nv16', 'nv61', 'nv24', 'nv42'), 1),
}
# Rows of `step` bytes for every two of the image; step of the last rows, in halves of `step`.
PLANES = {
    **dict.fromkeys(('nv12', 'nv21'), (3, 2)),
    **dict.fromkeys(('i420', 'yv12'), (3, 1)),
    **dict.fromkeys(('nv16', 'nv61'), (4, 2)),
    **dict.fromkeys(('nv24', 'nv42'), (6, 4)),
}
UNKNOWN = ('', 'rgb565', 'mono12', '8UC2', '32FC5', 'bayer_rggb', 'nv', '\udc80')
RANGES = (None, 'auto', (0.0, 4095.0), (-1.0, 1.0), (9.0, 3.0))
LONGEST = 64 << 10  # bytes of data: larger ones only take longer

_NUMBERS = (0, 1, 2, 3, 255, 8000, 65535, 2**31 - 1, 2**31, 2**32 - 1)


def prepare(folder: Path) -> Callable[[Random], None]:
    """Return what runs a case."""
    assert set(PIXEL_BYTES) == set(SUPPORTED_ENCODINGS)
    return run


def run(rng: Random) -> None:
    """Make a message, decode it, resize it."""
    encoding = rng.choice(SUPPORTED_ENCODINGS if rng.random() < 0.95 else UNKNOWN)
    height, width = rng.randint(1, 40), rng.randint(1, 40)
    if rng.random() < 0.7:  # as many chroma samples as there must be
        height, width = 2 * height, 2 * width
    step = width * PIXEL_BYTES.get(encoding, 3) + rng.choice((0, 0, 1, 3, 64))
    rows = height * PLANES.get(encoding, (2, 2))[0] // 2
    data = rng.randbytes(min(max(step * rows, 0), LONGEST))
    match rng.randrange(10):
        case 0:
            height = rng.choice(_NUMBERS)
        case 1:
            width = rng.choice(_NUMBERS)
        case 2:
            step = rng.choice((*_NUMBERS, step - 1, step // 2))
        case 3:
            data = data[: rng.randrange(len(data) + 1)]
        case 4:
            height, width = rng.choice(_NUMBERS), rng.choice(_NUMBERS)
        case 5:
            encoding = rng.choice(SUPPORTED_ENCODINGS)
    big = rng.random() < 0.2
    wanted = rng.choice(RANGES)
    why = why_wrong(encoding, height, width, step, len(data), wanted)
    try:
        image = decode_image(
            data,
            height=height,
            width=width,
            encoding=rng.choice((str, str.upper, ' {} '.format))(encoding),
            step=step,
            is_bigendian=big,
            values=PixelRange(wanted),
        )
    except EevitError:
        if not why:
            raise Wrong(f'refused: {encoding} {width}x{height} step {step}') from None
        raise
    if why:
        raise Wrong(f'accepted, though {why}')
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise Wrong(f'{encoding} {width}x{height} became {image.dtype} {image.shape}')
    if encoding in _BY_HAND and step:
        y, x = rng.randrange(height), rng.randrange(width)
        at = y * step + x * PIXEL_BYTES[encoding]
        if tuple(image[y, x]) != tuple(data[at + offset] for offset in _BY_HAND[encoding]):
            raise Wrong(f'{encoding}: pixel ({y}, {x}) is another')
    _resize(image, rng)


_BY_HAND = {
    **dict.fromkeys(('rgb8', 'rgba8'), (0, 1, 2)),
    **dict.fromkeys(('bgr8', 'bgra8', '8UC3', '8UC4'), (2, 1, 0)),
    **dict.fromkeys(('mono8', '8UC1'), (0, 0, 0)),
}


def why_wrong(encoding: str, height: int, width: int, step: int, size: int, wanted: object) -> str:
    """Say why a message must be refused; '' for a good one."""
    if encoding not in PIXEL_BYTES:
        return 'the encoding is unknown'
    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        return f'{width}x{height} pixels are none, or too many'
    half_rows, half_steps = PLANES.get(encoding, (2, 2))
    pairs = encoding.startswith(('yuv', 'uyvy', 'yuyv')) or half_rows in (3, 4)
    if (pairs and width % 2) or (half_rows == 3 and height % 2):
        return 'half a chroma sample'
    if encoding.startswith('bayer') and min(height, width) < 3:
        return 'too small to interpolate'
    row = width * PIXEL_BYTES[encoding]
    rows = height * half_rows // 2
    if step == 0 and size % rows == 0:
        step = size // rows
    elif size == rows * row and (encoding in PLANES or step < row):
        step = row
    if step < row:
        return 'rows overlap'
    if half_steps == 1 and step % 2:
        return 'half a byte between rows'
    if size < step * rows - (step - row) * half_steps // 2:
        return 'data is missing'
    unagreed = 'SC' in encoding or encoding.startswith(('32FC', '64FC'))
    if unagreed and wanted is None and encoding not in ('32FC1', '64FC1'):
        return 'nobody has said what is black'
    return ''


def _resize(image: np.ndarray, rng: Random) -> None:
    rule = ResizeRule(rng.choice(MODES), rng.choice(tuple(INTERPOLATIONS)), rng.random() < 0.5)
    height, width = rng.randint(1, 64), rng.randint(1, 64)
    found = resize(image, height, width, rule)
    if found.shape != (height, width, 3) or found.dtype != np.uint8:
        raise Wrong(f'{rule} to {height, width} gave {found.dtype} {found.shape}')
    lowest, highest = int(image.min()), int(image.max())
    if rule.mode != 'letterbox' and rule.interpolation == 'linear':
        if not (lowest <= found.min() and found.max() <= highest):
            raise Wrong(f'{rule} made pixels that are not between those of the frame')
