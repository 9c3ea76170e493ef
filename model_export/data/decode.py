"""From image files to one array of squares, without holding the decoded originals."""

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
from eevit_ros.images.resize import Image, resize
from model_export.data.dataset import RULE
from model_export.errors import ModelExportError

# Where an image is, in words, and its file or the bytes of one; None where there should be some.
Encoded: TypeAlias = tuple[str, bytes | Path | None]

_BATCH = 256  # files in memory at once
_SHOW_AFTER_S = 2.0
_GIB = 2**30


def decode_all(files: Iterable[Encoded], count: int) -> Iterator[Image]:
    """Decode files to RGB uint8 (H, W, 3) in their order, on all cores.

    Pixels are turned upright where EXIF says how. Grey becomes RGB, alpha is dropped, and of
    16 bits a channel the upper 8 are kept.

    Raises:
        ModelExportError: files cannot be read or decoded; the first is named and all are counted.
            Raised behind the last image, so that the count is right.
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
        raise ModelExportError(
            f'{first}; {bad} of {count} images are bad: repair them or take them out'
        )


def to_squares(images: Iterable[Image], count: int, image_size: int) -> Image:
    """Put `count` images into one array uint8 (N, S, S, 3).

    Squares of one size stay as they are if they are no larger than `image_size`. All else is
    cropped and resized to it, as on the robot.

    Raises:
        ModelExportError: the array does not fit into the memory.
    """
    out = np.empty((0, 0, 0, 3), np.uint8)
    for i, image in enumerate(images):
        height, width = image.shape[:2]
        size = out.shape[1]
        if i == 0:
            size = height if height == width <= image_size else image_size
            out = _new_array(count, size)
        elif size != image_size and (height, width) != (size, size):
            before, size = out[:i], image_size  # the first that differs
            out = _new_array(count, size)
            for j, earlier in enumerate(before):
                out[j] = resize(earlier, size, size, RULE)
        out[i] = resize(image, size, size, RULE)
    return out


def _new_array(count: int, size: int) -> Image:
    need = 2 * count * size * size * 3  # training copies them once, into two parts
    free = _available_memory()
    if free is not None and need > free:
        raise ModelExportError(
            f'{count} images of {size}x{size} pixels need {need / _GIB:.2f} GiB in training, but '
            f'{free / _GIB:.2f} GiB of memory are free: use fewer images or a smaller image_size'
        )
    return np.empty((count, size, size, 3), np.uint8)


def _available_memory() -> int | None:
    """Bytes that programs may still take; None where the system does not say."""
    try:
        lines = Path('/proc/meminfo').read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if 'MemAvailable' in line), None)


def _decode(file: Encoded) -> Image | str:
    """The image, or what is wrong with it."""
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
        return 'is damaged, or no image that OpenCV reads'
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _is_cut_short(data: bytes) -> bool:
    """Whether a JPEG has no end: OpenCV before 4.12 decodes what is there, and grey for the rest.

    The end marker is looked for behind the header, where a thumbnail may have one of its own.
    Anything odd in the header is left to OpenCV.
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
