"""Decode image files on all cores, and say which of them are bad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.images.compressed import decode_photo
from eevit_ros.images.picture_file import picture_format
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.resize import Image
from eevit_ros.images.settings import Range
from model_export.errors import ModelExportError

# Where an image is, in words, and its file or bytes; None if the bytes are missing.
Encoded: TypeAlias = tuple[str, bytes | Path | None]

_BATCH = 256  # files in memory at once
_SHOW_AFTER_S = 2.0
_HEIC = (b'ftypheic', b'ftypheix', b'ftypmif1', b'ftypmsf1', b'ftyphevc')
SKIP = 'repair or remove them, or leave them out with --skip-damaged'
_NAMED = 10  # damaged files in an error


@dataclass(frozen=True)
class Damaged:
    """A file that gave no image: its number among all, and in words what is wrong."""

    index: int
    words: str


def decode_all(
    files: Iterable[Encoded],
    count: int,
    damaged: list[Damaged] | None = None,
    cure: str = 'repair or remove them',
    black_white: Range | str | None = None,
) -> Iterator[Image]:
    """Decode files to RGB uint8 (H, W, 3) in their order, on all cores.

    As photos are read everywhere, see `eevit_ros.images.compressed.decode_photo`: turned upright as
    EXIF says, and 16 bits a channel become 8 as in mono16.

    Args:
        files: What to decode.
        count: How many there are.
        damaged: Where to put those that cannot be read or decoded, instead of raising.
        cure: What to do about them, for the error.
        black_white: Black and white of images of more than 8 bits a channel, as the parameter
            `image_range`; 'auto' takes each image's own.

    Raises:
        ModelExportError: Files cannot be read or decoded; names ten and counts all. Raised after
            the last image, so that the count is right.
    """
    bad: list[Damaged] = [] if damaged is None else damaged
    dark: list[str] = []
    files, number = iter(files), 0
    decode = partial(_decode, black_white=black_white, dark=dark)
    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=count, desc='reading images', delay=_SHOW_AFTER_S, disable=None) as bar,
    ):
        while batch := list(islice(files, _BATCH)):
            for (where, _), image in zip(batch, pool.map(decode, batch), strict=True):
                if isinstance(image, str):
                    bad.append(Damaged(number, f'{where} {image}'))
                else:
                    yield image
                number += 1
            bar.update(len(batch))
    if dark:
        print(f'warning: {len(dark)} of {count} images: {dark[0]} (--image-range)')
    if damaged is None and bad:
        raise ModelExportError(f'{in_words(bad, count)}: {cure}')


def in_words(damaged: Sequence[Damaged], count: int) -> str:
    """Return the first ten of `count` files that are damaged, and how many are."""
    words = first_ten([file.words for file in damaged])
    return f'{words}; {len(damaged)} of {count} images are bad'


def first_ten(words: Sequence[str]) -> str:
    """Return the first ten in one line."""
    return '; '.join(words[:_NAMED]) + '; ...' * (len(words) > _NAMED)


def _decode(file: Encoded, black_white: Range | str | None, dark: list[str]) -> Image | str:
    """Return the image, or what is wrong with it; note in `dark` if its range hides it."""
    data = file[1]
    try:
        data = data.read_bytes() if isinstance(data, Path) else data
    except OSError as err:
        return f'cannot be read ({err.strerror})'
    if not data:
        return 'is empty'
    if picture_format(data):
        values = PixelRange(black_white)
        try:
            image = decode_photo(data, 'the file', values=values)
        except EevitError as err:
            return f'is not decoded: {err}'
        if values.warning:
            dark.append(values.warning)
        return image
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # too many pixels, for example
        found = None
    if found is None:
        if data[4:12] in _HEIC:
            return 'is HEIC, which OpenCV does not read: convert it to JPEG'
        return 'is damaged, or not an image that OpenCV reads'
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)
