"""Decode image files on all cores, and say which of them are bad."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from tqdm import tqdm

from eevit_ros.errors import EevitError
from eevit_ros.images.jpeg_png import JPEG_MAGIC, PNG_MAGIC, check_header
from eevit_ros.images.resize import Image
from model_export.errors import ModelExportError

# Where an image is, in words, and its file or bytes; None if the bytes are missing.
Encoded: TypeAlias = tuple[str, bytes | Path | None]

_BATCH = 256  # files in memory at once
_SHOW_AFTER_S = 2.0


def decode_all(files: Iterable[Encoded], count: int) -> Iterator[Image]:
    """Decode files to RGB uint8 (H, W, 3) in their order, on all cores.

    Pixels are turned upright as EXIF says. Grey becomes RGB, alpha is dropped, and of 16 bits a
    channel the upper 8 are kept.

    Raises:
        ModelExportError: Files cannot be read or decoded; names the first and counts all. Raised
            after the last image, so that the count is right.
    """
    bad, first = 0, ''
    files = iter(files)
    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=count, desc='reading images', delay=_SHOW_AFTER_S, disable=None) as bar,
    ):
        while batch := list(islice(files, _BATCH)):
            for (where, _), image in zip(batch, pool.map(_decode, batch), strict=True):
                if isinstance(image, str):
                    first = first or f'{where} {image}'
                    bad += 1
                else:
                    yield image
            bar.update(len(batch))
    if bad:
        raise ModelExportError(f'{first}; {bad} of {count} images are bad: repair or remove them')


def _decode(file: Encoded) -> Image | str:
    """Return the image, or what is wrong with it."""
    data = file[1]
    try:
        data = data.read_bytes() if isinstance(data, Path) else data
    except OSError as err:
        return f'cannot be read ({err.strerror})'
    if not data:
        return 'is empty'
    if _is_cut_short(data):
        return 'is a truncated JPEG'
    if data.startswith((JPEG_MAGIC, PNG_MAGIC)):
        try:
            check_header(data, 'the file')
        except EevitError as err:
            return f'is not decoded: {err}'
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # too many pixels, for example
        image = None
    if image is None:
        return 'is damaged, or not an image that OpenCV reads'
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _is_cut_short(data: bytes) -> bool:
    """Return whether a JPEG has no end: OpenCV before 4.12 then decodes the rest as grey.

    Looks for the end marker after the header, in which a thumbnail may have its own. Anything odd
    in the header is left to OpenCV.
    """
    at = 2
    if not data.startswith(b'\xff\xd8\xff'):
        return False
    while data[at : at + 2] != b'\xff\xda':  # until the first scan
        if data[at : at + 1] != b'\xff':
            return at >= len(data)
        if data[at + 1 : at + 2] == b'\xff':  # a fill byte
            at += 1
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return data.find(b'\xff\xd9', at) < 0
