"""sensor_msgs/Image: headers that fit their data, nearly fit it, or are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.raw import SUPPORTED_ENCODINGS, decode_image
from eevit_ros.images.resize import INTERPOLATIONS, MAX_PIXELS, MODES, ResizeRule, resize
from fuzz import Wrong

# Written down a second time, from the encodings' definitions: bytes a pixel.
PIXEL_BYTES = {
    **dict.fromkeys(('rgb8', 'bgr8', '8UC3'), 3),
    **dict.fromkeys(('rgba8', 'bgra8', '8UC4'), 4),
    **dict.fromkeys(('mono8', '8UC1', 'nv21'), 1),
    **dict.fromkeys(('mono16', '16UC1', 'yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'), 2),
    **dict.fromkeys(('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'), 1),
}
UNKNOWN = ('', 'rgb565', 'RGB8', 'rgb8 ', 'bayer_rggb16', '32FC1', 'nv24', 'mono8\0', '\udc80')
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
    rows = height * 3 // 2 if encoding == 'nv21' else height
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
    why = why_wrong(encoding, height, width, step, len(data))
    try:
        image = decode_image(
            data, height=height, width=width, encoding=encoding, step=step, is_bigendian=big
        )
    except EevitError:
        if not why:
            raise Wrong(f'refused: {encoding} {width}x{height} step {step}') from None
        raise
    if why:
        raise Wrong(f'accepted, though {why}')
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise Wrong(f'{encoding} {width}x{height} became {image.dtype} {image.shape}')
    if encoding in _BY_HAND:
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


def why_wrong(encoding: str, height: int, width: int, step: int, size: int) -> str:
    """Say why a message must be refused; '' for a good one."""
    if encoding not in PIXEL_BYTES:
        return 'the encoding is unknown'
    if not (height > 0 and width > 0 and height * width <= MAX_PIXELS):
        return f'{width}x{height} pixels are none, or too many'
    pairs = encoding.startswith(('yuv', 'uyvy', 'yuyv'))
    if ((pairs or encoding == 'nv21') and width % 2) or (encoding == 'nv21' and height % 2):
        return 'half a chroma sample'
    if encoding.startswith('bayer') and min(height, width) < 3:
        return 'too small to interpolate'
    row = width * PIXEL_BYTES[encoding]
    rows = height * 3 // 2 if encoding == 'nv21' else height
    if step < row:
        return 'rows overlap'
    return 'data is missing' if size < step * (rows - 1) + row else ''


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
