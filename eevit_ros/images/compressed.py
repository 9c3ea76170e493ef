"""From a sensor_msgs/CompressedImage, or a photo, to an RGB frame."""

from __future__ import annotations

import struct

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.encodings import LAYOUTS, Data, Packed, flat, name_of, to_rgb
from eevit_ros.images.headers import PNG_MAGIC
from eevit_ros.images.jpeg import JPEG_MAGIC
from eevit_ros.images.picture_file import decompress, picture_format
from eevit_ros.images.pixel_range import PixelRange, Pixels
from eevit_ros.images.resize import Image, InputSize

_DEPTH_HEADER = struct.Struct('<i2f')
_ENCODINGS = {
    ('u', 1, 1): 'mono8',
    ('u', 1, 3): 'bgr8',
    ('u', 1, 4): 'bgra8',
    ('u', 2, 1): 'mono16',
    ('u', 2, 3): 'bgr16',
    ('u', 2, 4): 'bgra16',
}
"""By kind, bytes and channels of the pixels that OpenCV decodes; of others, OpenCV's own name."""


def decode_compressed(
    data: Data, format: str, size: InputSize | None = None, values: PixelRange | None = None
) -> Image:
    """Decode the picture file of a sensor_msgs/CompressedImage.

    The bytes say which kind it is. `format` only says what grey values mean: image_transport writes
    Bayer mosaics and depth unchanged ('16UC1; png compressed '), compressed_depth_image_transport
    with a header before the file ('32FC1; compressedDepth png').

    Args:
        data: The file's bytes.
        format: The message's field of that name.
        size: As in `picture_file.decompress`.
        values: Black and white of pixels of more than 8 bits; None takes the encoding's own.

    Returns:
        RGB uint8 (H, W, 3); EXIF orientation is ignored: pixels stay as the driver sent them. With
        `size`, a large JPEG is reduced.

    Raises:
        EevitError: Empty, truncated, corrupt, too large or another format.
    """
    pixels, encoding = compressed_pixels(data, format, size)
    return to_rgb(pixels, encoding, values)


def compressed_pixels(data: Data, format: str, size: InputSize | None = None) -> tuple[Pixels, str]:
    """Return the pixels (H, W, channels) in the file of a CompressedImage, and their encoding.

    Raises:
        EevitError: As in `decode_compressed`.
    """
    raw = flat(data).tobytes()
    name = f'compressed image (format {format!r})'
    encoding = name_of(format.split(';')[0])
    if raw.startswith(PNG_MAGIC, _DEPTH_HEADER.size) and not picture_format(raw):
        return _depth(raw, name, encoding)
    if 'compresseddepth' in format.lower() and not picture_format(raw):
        raise EevitError(
            f'{name} comes from the compressedDepth transport, but holds no PNG file: set the '
            f"publisher's parameter for its format (.../compressedDepth/format) to png, not rvl"
        )
    if raw.startswith(JPEG_MAGIC):
        # image_transport names what a JPEG was converted to, but for Bayer mosaics, which it leaves
        # as they are. Reduced, a mosaic would be grey.
        is_mosaic = encoding.startswith('bayer') and format.strip().endswith('compressed')
        encoding, size = (encoding, None) if is_mosaic else ('', size)
    return _encoded(decompress(raw, name, size), encoding)


def decode_photo(
    data: bytes,
    name: str = 'the photo',
    size: InputSize | None = None,
    values: PixelRange | None = None,
) -> Image:
    """Decode a photo: a picture file from a disk, turned upright as EXIF says.

    Args:
        data: The file's bytes.
        name: The file's name in errors.
        size: As in `picture_file.decompress`.
        values: As in `decode_compressed`.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        EevitError: Empty, truncated, corrupt, too large or another format.
    """
    pixels, encoding = _encoded(decompress(data, name, size, is_photo=True))
    return to_rgb(pixels, encoding, values)


def _encoded(pixels: Pixels, encoding: str = '') -> tuple[Pixels, str]:
    """Return a file's pixels and what they are; `encoding` is believed where it fits them."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    kind = pixels.dtype.kind, pixels.dtype.itemsize, channels
    code = {'u': 'U', 'i': 'S'}.get(pixels.dtype.kind, 'F')
    found = _ENCODINGS.get(kind, f'{8 * pixels.itemsize}{code}C{channels}')
    meant = LAYOUTS.get(encoding)
    if (
        isinstance(meant, Packed)
        and channels == meant.channels == 1
        and meant.item == pixels.dtype
        and min(pixels.shape) >= meant.at_least
    ):
        found = encoding
    if found not in LAYOUTS:
        raise EevitError(f'a picture file of {channels} channels of {pixels.dtype} shows nothing')
    return pixels.reshape(*pixels.shape[:2], channels), found


def _depth(raw: bytes, name: str, encoding: str) -> tuple[Pixels, str]:
    """Decode what compressed_depth_image_transport writes: a header of 12 bytes, then a PNG."""
    _, scale, offset = _DEPTH_HEADER.unpack_from(raw)
    pixels = decompress(raw[_DEPTH_HEADER.size :], name)
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise EevitError(
            f'{name} must hold a grey PNG of 16 bits. Got {pixels.dtype} {pixels.shape}'
        )
    if encoding != '32FC1':
        return _encoded(pixels, 'mono16' if encoding == 'mono16' else '16UC1')
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        metres = np.float32(scale) / (pixels.astype(np.float32) - np.float32(offset))
    metres[pixels == 0] = np.nan  # no reading
    return _encoded(metres, encoding)
