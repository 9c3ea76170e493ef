"""How a camera is mounted: which part of its picture counts, and which way is up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.settings import parameter

ROTATIONS = (0, 90, 180, 270)
FLIPS = ('none', 'horizontal', 'vertical')
WHOLE = (0, 0, 0, 0)


def _rotation(degrees: int) -> int:
    if degrees not in ROTATIONS:
        hint = f': {degrees % 360} turns the same way' if degrees % 360 in ROTATIONS else ''
        raise EevitError(
            f"parameter 'image_rotation' must be one of {ROTATIONS}, degrees clockwise. "
            f'Got {degrees!r}{hint}'
        )
    return degrees


def _crop(values: list[Any]) -> tuple[int, ...]:
    numbers = [x for x in values if isinstance(x, int) and not isinstance(x, bool)]
    if len(values) != 4 or len(numbers) != 4:
        raise EevitError(
            "parameter 'image_crop' must be [x, y, width, height], four whole numbers of pixels. "
            f'Got {values!r}'
        )
    x, y, width, height = numbers
    if tuple(numbers) != WHOLE and (min(x, y) < 0 or min(width, height) < 1):
        raise EevitError(
            "parameter 'image_crop' must have x and y of 0 or more, and width and height of 1 or "
            f'more; all four are 0 for the whole picture. Got {values!r}'
        )
    return tuple(numbers)


@dataclass(frozen=True)
class Mounting:
    """What is done to each picture, in this order, before the model's resize rule."""

    image_crop: tuple[int, ...] = parameter(
        [0, 0, 0, 0],
        '[x, y, width, height]: the part of the picture that counts, in pixels of the picture as '
        'the camera sends it, from its top left corner. Comes before rotation, flip and the '
        "model's resize rule. All 0: the whole picture.",
        live=True,
        convert=_crop,
    )
    image_rotation: int = parameter(
        0,
        'Degrees by which the picture is turned clockwise: 0, 90, 180 or 270. 180 for a camera '
        'mounted upside down.',
        live=True,
        convert=_rotation,
    )
    image_flip: str = parameter(
        'none',
        'Mirrors the picture, after it was turned. horizontal swaps left and right, vertical top '
        'and bottom.',
        choices=FLIPS,
        live=True,
    )

    def __bool__(self) -> bool:
        """Whether it changes a picture."""
        return (self.image_crop, self.image_rotation, self.image_flip) != (WHOLE, 0, 'none')

    @cached_property
    def text(self) -> str:
        """It for people and records: 'crop 0 0 640 480, rotation 90'; 'none' for nothing."""
        parts = {
            f'crop {" ".join(map(str, self.image_crop))}': self._crops,
            f'rotation {self.image_rotation}': self.image_rotation != 0,
            f'flip {self.image_flip}': self.image_flip != 'none',
        }
        return ', '.join(part for part, applies in parts.items() if applies) or 'none'

    @property
    def _crops(self) -> bool:
        return self.image_crop != WHOLE

    def input_size(self, size: InputSize) -> InputSize:
        """Return the model's input as a decoder must see it, which knows neither crop nor turn."""
        x, y, width, height = self.image_crop
        if self.image_rotation in (90, 270):
            size = replace(size, height=size.width, width=size.height)
        return replace(size, part=(x, y, width, height)) if self._crops else size

    def of(self, image: Image, reduction: int = 1) -> Image:
        """Return the part of a picture that counts, the right way up: a view.

        Args:
            image: The picture, (H, W, 3).
            reduction: Factor by which its sides are smaller than the camera sent them.

        Raises:
            EevitError: The crop is not within the picture.
        """
        if self._crops:
            image = self._cropped(image, reduction)
        if self.image_rotation:
            image = np.rot90(image, -(self.image_rotation // 90))
        if self.image_flip == 'horizontal':
            return image[:, ::-1]
        return image[::-1] if self.image_flip == 'vertical' else image

    def placed(
        self, left: int, top: int, right: int, bottom: int, height: int, width: int
    ) -> tuple[int, int, int, int]:
        """Return where a part of the camera's picture lies in the mounted one, perhaps beyond it.

        Args:
            left: First column of the part.
            top: First row.
            right: First column beyond it.
            bottom: First row beyond it.
            height: Rows of the mounted picture.
            width: Pixels a row of it.

        Returns:
            `left`, `top`, `right` and `bottom` in the mounted picture.
        """
        x, y = self.image_crop[:2]
        left, top, right, bottom = left - x, top - y, right - x, bottom - y
        for _ in range(self.image_rotation // 90):
            # A quarter turn clockwise: the picture's lower edge becomes its left one.
            left, top, right, bottom = -bottom, left, -top, right
        if self.image_rotation in (90, 180):
            left, right = left + width, right + width
        if self.image_rotation in (180, 270):
            top, bottom = top + height, bottom + height
        if self.image_flip == 'horizontal':
            left, right = width - right, width - left
        if self.image_flip == 'vertical':
            top, bottom = height - bottom, height - top
        return left, top, right, bottom

    def _cropped(self, image: Image, by: int) -> Image:
        x, y, width, height = self.image_crop
        full_height, full_width = image.shape[0] * by, image.shape[1] * by
        if x + width > full_width or y + height > full_height:
            raise EevitError(
                f"parameter 'image_crop' {list(self.image_crop)} reaches to x {x + width} and "
                f'y {y + height}, but the picture is {full_width}x{full_height} pixels (width x '
                'height, as the camera sends it)'
            )
        return image[y // by : (y + height) // by, x // by : (x + width) // by]


AS_IT_COMES = Mounting()
