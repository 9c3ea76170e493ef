"""Images of a set as squares of one size in an unnamed temporary file, read one by one.

Each image is decoded once, when the set is loaded. The file takes N * S * S * 3 bytes of disk and
no memory but the kernel's cache; it has no name, so nothing is left of it when the process ends.
Processes that are forked later read the same file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast, overload

import numpy as np
import numpy.typing as npt

from eevit_ros.images.resize import Image, ResizeRule, resize
from model_export.errors import ModelExportError

RULE = ResizeRule()  # what models are trained with, and what their metadata then say

_GIB = 2**30


class Squares:
    """Square images uint8 (S, S, 3) RGB, some rows of a file of them.

    An integer as index reads an image; all else that NumPy takes as index selects without reading.
    """

    def __init__(self, file: BinaryIO, size: int, rows: npt.NDArray[np.int64]) -> None:
        """Read `rows` of `file`, whose squares are `size` pixels wide."""
        self.size = size
        self._file = file
        self._rows = rows

    def __len__(self) -> int:
        """Count the images."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Image: ...

    @overload
    def __getitem__(self, index: Any) -> Squares: ...

    def __getitem__(self, index: Any) -> Image | Squares:
        """Read an image, or select some."""
        rows = self._rows[index]
        if rows.ndim:
            return Squares(self._file, self.size, rows)
        image = np.empty((self.size, self.size, 3), np.uint8)
        os.preadv(self._file.fileno(), [image.data], int(rows) * image.nbytes)
        return image

    def __iter__(self) -> Iterator[Image]:
        """Read one image after the other."""
        return (self[i] for i in range(len(self)))


def to_squares(images: Iterable[Image], count: int, image_size: int) -> Squares:
    """Write `count` images, or fewer, to a temporary file as squares.

    Squares of one size stay as they are if they are no larger than `image_size`. All others are
    cropped and resized to it, as on the robot.

    Raises:
        ModelExportError: The disk has too little room, or there is no image.
    """
    images = iter(images)
    first = next(images, None)
    if first is None:
        raise ModelExportError(f'none of {count} images can be read')
    height, width = first.shape[:2]
    size = height if height == width <= image_size else image_size
    try:
        file = _temporary_file(count, size)
        file.write(resize(first, size, size, RULE).data)
        done = 1
        for image in images:
            if size != image_size and image.shape[:2] != (size, size):  # the first that differs
                file.flush()
                before, size = Squares(file, size, np.arange(done)), image_size
                file = _temporary_file(count, size)
                for earlier in before:
                    file.write(resize(earlier, size, size, RULE).data)
            file.write(resize(image, size, size, RULE).data)
            done += 1
        file.flush()
    except OSError as err:
        raise ModelExportError(
            f'cannot write {count} images of {size}x{size} pixels to {_folder()}: {err}. '
            'TMPDIR chooses another disk'
        ) from err
    return Squares(file, size, np.arange(done))


def _temporary_file(count: int, size: int) -> BinaryIO:
    need, free = count * size * size * 3, shutil.disk_usage(_folder()).free
    if need > free:
        raise ModelExportError(
            f'{count} images of {size}x{size} pixels need {need / _GIB:.2f} GiB in {_folder()}, '
            f'but {free / _GIB:.2f} GiB are free: use fewer images or a smaller image_size, or '
            f'set TMPDIR to a folder on a larger disk'
        )
    return cast(BinaryIO, tempfile.TemporaryFile(dir=_folder()))


def _folder() -> str:
    """Return where large temporary files go: /tmp may be memory."""
    return os.environ.get('TMPDIR', '/var/tmp')
