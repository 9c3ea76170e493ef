"""sensor_msgs/CompressedImage: picture files of every kind, damaged."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import cv2
import numpy as np
from PIL import Image as Pillow

from eevit_ros.errors import EevitError
from eevit_ros.images.compressed import decode_compressed
from eevit_ros.images.resize import MAX_PIXELS
from fuzz import Wrong
from fuzz.mutate import mutate

PNG = b'\x89PNG\r\n\x1a\n'
FORMATS = ('jpeg', 'png', '', 'rgb8; jpeg compressed bgr8', '16UC1; png compressed ')
MORE_FORMATS = (
    'bayer_rggb8; png compressed ',
    '16UC1; compressedDepth png',
    '32FC1; compressedDepth',
    '\udc80;;',
)


def prepare(folder: Path) -> Callable[[Random], None]:
    """Write the pictures to be damaged; return what runs a case."""
    y, x = np.mgrid[:30, :40]
    waves = np.dstack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)])
    image = Pillow.fromarray((127.5 + 120 * waves).astype(np.uint8))
    deep = (np.random.default_rng(0).random((30, 40, 3)) * 65535).astype(np.uint16)
    files = [
        _written(image, 'JPEG', quality=90),
        _written(image, 'JPEG', quality=30, progressive=True),
        _written(image.convert('L'), 'JPEG'),
        _written(image.convert('CMYK'), 'JPEG'),
        _written(image, 'JPEG', exif=b'Exif\0\0' + _written(image, 'JPEG', quality=10)),
        *(_written(image.convert(mode), 'PNG') for mode in ('RGB', 'RGBA', 'L', 'P', '1')),
        *(cv2.imencode('.png', pixels)[1].tobytes() for pixels in (deep, deep[..., 0])),
        bytes(12) + cv2.imencode('.png', deep[..., 0])[1].tobytes(),  # compressedDepth
        _written(image, 'WEBP', lossless=True),
        _written(image, 'WEBP', exif=b'Exif\0\0II*\0'),
        _written(image, 'TIFF'),
        _written(image, 'TIFF', compression='tiff_lzw'),
        _written(image, 'BMP'),
        _written(image, 'PPM'),
    ]
    return lambda rng: run(files, rng)


def run(files: list[bytes], rng: Random) -> None:
    """Damage a picture and decode it."""
    whole = rng.choice(files)
    data = _resealed(whole, rng) if whole.startswith(PNG) and rng.random() < 0.5 else None
    data = data or mutate(whole, rng)
    kind = rng.choice(FORMATS + MORE_FORMATS)
    image = decode_compressed(data, kind)
    if len(data) < len(whole) and whole.startswith(data):
        missing = abs(image.astype(int) - decode_compressed(whole, kind)).max()
        if missing > 1:
            raise Wrong(f'accepted, though {len(whole) - len(data)} bytes of its end are missing')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise Wrong(f'became {image.dtype} {image.shape}')
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise Wrong(f'became {image.shape}')
    if data.startswith(PNG) and (broken := broken_chunk(data)):
        raise Wrong(f'accepted, though its checksum shows that {broken} is damaged')
    try:
        again = decode_compressed(data, kind)
    except EevitError:
        raise Wrong('accepted only once') from None
    if not np.array_equal(image, again):
        raise Wrong('the same file decodes to other pixels: memory that nothing was written to')


def broken_chunk(data: bytes) -> str:
    """Name a critical chunk of a PNG file whose checksum is wrong; '' if there is none.

    The end chunk does not count: it is there or not, and holds nothing.
    """
    for kind, content, checksum in _chunks(data):
        if kind[:1].isupper() and kind != b'IEND' and zlib.crc32(kind + content) != checksum:
            return kind.decode('latin1')
    return ''


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    at = len(PNG)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from('>I', data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        tail = data[at + 8 + size : at + 12 + size]
        yield kind, content, int.from_bytes(tail, 'big')
        at += 12 + size
        if kind == b'IEND':
            return


def _resealed(data: bytes, rng: Random) -> bytes:
    """Damage the contents of chunks and make their checksums fit: it must come to the decoder."""
    chunks = list(_chunks(data))
    at = rng.randrange(len(chunks))
    kind, content, _ = chunks[at]
    chunks[at] = kind, mutate(content, rng), 0
    if rng.random() < 0.1:
        chunks.insert(at, rng.choice(chunks))
    return PNG + b''.join(
        struct.pack('>I', len(content))
        + kind
        + content
        + struct.pack('>I', zlib.crc32(kind + content))
        for kind, content, _ in chunks
    )


def _written(image: Pillow.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
