"""Resizing a frame to the model's input: the one implementation that everything uses.

Training, calibration, replay, benchmarks and the node all call `resize`, so the model sees the same
pixels wherever it runs. Normalisation is inside the model's graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError

Image = npt.NDArray[np.uint8]
T = TypeVar('T', np.uint8, np.float32)

MODES = ('stretch', 'center_crop', 'letterbox')
MAX_PIXELS = 64_000_000  # larger frames are refused: this many are 192 MB of RGB

LAST_SHRINK = 8
"""The least factor per side that is left after a JPEG decoder has reduced the picture.

That shifts pixel edges a little; the more there is left to average, the less it shows.
"""

MANY_ROWS = 4
"""Where fewer rows fall together, averaging them first is not faster than INTER_AREA alone."""

SAVED_NS, AREA_NS, CALL_NS = 1.3, 3, 17_000
"""What averaging rows first saves for a pixel, INTER_AREA's time for one, that of a small call."""

BAND_BYTES = 2**18
"""Sums of rows that are made at a time, so that they stay in the processor's cache."""

ROUNDING = 1e-4
"""More than what sums of the same pixels in another order differ by."""

REDUCTIONS = (8, 4, 2)  # factors by which a JPEG decoder can reduce each side

GREY = 114

INTERPOLATIONS = {'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}


def grey(height: int, width: int) -> Image:
    """Return a grey image, uint8 (height, width, 3), for trial runs of a model."""
    return np.full((height, width, 3), GREY, np.uint8)


@dataclass(frozen=True)
class ResizeRule:
    """How a frame becomes the model's input; stored in the model file's metadata.

    Attributes:
        mode: 'stretch' ignores the aspect ratio, 'center_crop' keeps the largest centred
            rectangle of the model's aspect ratio, 'letterbox' keeps all and pads with grey 114.
        interpolation: 'linear' or 'cubic'; used to enlarge, and to shrink without `antialias`.
        antialias: Whether shrinking averages over all pixels that fall together.
    """

    mode: str = 'center_crop'
    interpolation: str = 'linear'
    antialias: bool = True

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            EevitError: A value is none of the above.
        """
        if self.mode not in MODES:
            raise EevitError(f'resize mode must be one of {MODES}. Got {self.mode!r}')
        if self.interpolation not in INTERPOLATIONS:
            raise EevitError(
                f'interpolation must be one of {tuple(INTERPOLATIONS)}. Got {self.interpolation!r}'
            )


@dataclass(frozen=True)
class InputSize:
    """The model's input, to which frames are resized.

    Attributes:
        height: Height of the model's input, pixels.
        width: Width of the model's input, pixels.
        rule: The model's resize rule.
        part: The part of each frame that is resized to it: x, y, width, height in pixels; None for
            all of it.
    """

    height: int
    width: int
    rule: ResizeRule
    part: tuple[int, int, int, int] | None = None

    def reduction(self, height: int, width: int) -> int:
        """Return the factor by which a decoder may reduce each side of a frame: 1, 2, 4 or 8.

        It divides both sides, so that every pixel stands for equally many, and the borders of
        `part`. It leaves at least `LAST_SHRINK` times the model's input in both axes, after the
        rule's crop.

        Args:
            height: The frame's height, pixels.
            width: The frame's width, pixels.
        """
        if not self.rule.antialias:
            return 1
        x, y, part_width, part_height = self.part or (0, 0, width, height)
        sides = part_height / self.height, part_width / self.width
        shrinks = max(sides) if self.rule.mode == 'letterbox' else min(sides)
        borders = math.gcd(height, width, x, y, part_width, part_height)
        for by in REDUCTIONS:
            if borders % by == 0 and shrinks >= by * LAST_SHRINK:
                return by
        return 1


def resize(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    """Resize an RGB frame to (height, width, 3) by `rule`.

    Args:
        image: uint8 (H, W, 3); may be a view: with padded rows, of BGR, turned, mirrored.
        height: Output height, pixels.
        width: Output width, pixels.
        rule: The model's resize rule.

    Returns:
        uint8 (height, width, 3), contiguous.

    Raises:
        EevitError: The image is no such array, or OpenCV cannot resize it.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, 'dtype', type(image).__name__)
        raise EevitError(f'image must be a uint8 array (H, W, 3). Got {kind}')
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise EevitError(f'image must be a uint8 array (H, W, 3). Got shape {image.shape}')
    bgr = image.strides[2] < 0  # a view of BGR; OpenCV would copy the whole frame to reverse it
    pixels = image[:, :, ::-1] if bgr else image
    try:
        if rule.mode == 'letterbox':
            pixels = _letterbox(pixels, height, width, rule)
        else:
            if rule.mode == 'center_crop':
                pixels = _center_crop(pixels, height, width)
            pixels = _scale(pixels, height, width, rule)
    except cv2.error as err:
        raise EevitError(f'OpenCV cannot resize an image of shape {image.shape}: {err}') from err
    return np.ascontiguousarray(pixels[:, :, ::-1]) if bgr else pixels


def check_size(height: int, width: int) -> None:
    """Refuse a frame with no pixels, or with so many that the header must be wrong.

    Raises:
        EevitError: A side is below 1, or the area is above `MAX_PIXELS`.
    """
    if height < 1 or width < 1:
        raise EevitError(f'image is {width}x{height} pixels (width x height): fix the driver')
    if height * width > MAX_PIXELS:
        raise EevitError(
            f'image is {width}x{height} pixels, more than {MAX_PIXELS} in all: lower the '
            f'resolution, or fix width and height in the driver'
        )


def _center_crop(image: Image, height: int, width: int) -> Image:
    h, w = image.shape[:2]
    scale = min(h / height, w / width)
    crop_h, crop_w = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    return image[top : top + crop_h, left : left + crop_w]


def _letterbox(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    h, w = image.shape[:2]
    scale = min(height / h, width / w)
    inner_h, inner_w = max(1, round(h * scale)), max(1, round(w * scale))
    out = grey(height, width)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    out[top : top + inner_h, left : left + inner_w] = _scale(image, inner_h, inner_w, rule)
    return out


def _scale(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    down, right = image.strides[:2]
    if down < 0 or right < 0 or down < right:
        # A view of a turned or mirrored frame, which OpenCV would copy: turn the few pixels that
        # are left instead.
        ahead = image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
        if abs(down) < abs(right):
            small = _scale(ahead.transpose(1, 0, 2), width, height, rule).transpose(1, 0, 2)
        else:
            small = _scale(ahead, height, width, rule)
        small = small[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
        return np.ascontiguousarray(small)
    if rule.antialias:
        # Shrink first and separately: when INTER_AREA shrinks one axis and enlarges the other, it
        # averages neither.
        image = _shrink(image, min(height, image.shape[0]), min(width, image.shape[1]))
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    if image.shape[:2] == (1, 1):  # OpenCV 4.5.4 (Ubuntu 22.04) does not resize one pixel
        return np.ascontiguousarray(np.broadcast_to(image, (height, width, 3)))
    interpolation = INTERPOLATIONS[rule.interpolation]
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)


def _shrink(image: Image, height: int, width: int) -> Image:
    """Average to a size that is not larger in either axis; every pixel counts alike."""
    of = math.gcd(image.shape[0], height), math.gcd(image.shape[1], width)
    if not _rows_first(image, height, width, of):
        return _area(image, height, width)
    means = _means(image, height, width, of[0])
    small = np.rint(means).astype(np.uint8)
    # Where a mean lies between two values, the last bits of INTER_AREA's own sums decide. They are
    # the same in each of the blocks whose edges no pixel crosses.
    between = np.flatnonzero(abs(means - small) > 0.5 - ROUNDING)
    rows, columns, _ = np.unravel_index(between, means.shape)
    blocks = zip(rows * of[0] // height, columns * of[1] // width, strict=True)
    for row, column in set(blocks):
        block = _block(small, row, column, of)
        block[:] = _area(_block(image, row, column, of), *block.shape[:2])
    return small


def _rows_first(image: Image, height: int, width: int, of: tuple[int, int]) -> bool:
    """Return whether it is faster to average rows first, and settle what lies between."""
    if image.shape[0] < MANY_ROWS * height or of == (height, width):
        return False  # INTER_AREA is quick by itself where whole pixels fall together
    pixels: int = image.shape[0] * image.shape[1]
    block = pixels // (of[0] * of[1])
    # Of the sums of so many pixels one in `block` lies in the middle, others almost.
    between = 3 * height * width * (1 / block + 2 * ROUNDING)
    return pixels * SAVED_NS > between * (CALL_NS + block * AREA_NS)


def _block(image: Image, row: int, column: int, of: tuple[int, int]) -> Image:
    """Return one of `of` equal blocks of an image: a view."""
    height, width = image.shape[0] // of[0], image.shape[1] // of[1]
    top, left = row * height, column * width
    return image[top : top + height, left : left + width]


def _means(image: Image, height: int, width: int, bands: int) -> npt.NDArray[np.float32]:
    """Average the rows that fall together, then the columns, in some of `bands` equal bands."""
    high, flat = image.shape[0] // bands, height // bands  # of a band: rows before and after
    some = max(1, BAND_BYTES // (flat * image[0].size * 4))
    means = np.empty((height, width, 3), np.float32)
    for first in range(0, bands, some):
        sums = _row_sums(
            image[first * high : (first + some) * high], flat * min(some, bands - first)
        )
        means[first * flat : (first + some) * flat] = _area(sums, sums.shape[0], width)
    means *= height / image.shape[0]
    return means


def _row_sums(image: Image, height: int) -> npt.NDArray[np.float32]:
    """Add up the rows that fall together to `height` rows: the first half of INTER_AREA."""
    h, w = image.shape[:2]
    rows = image.reshape(h, 3 * w)
    firsts, parts = np.divmod(h * np.arange(1, height), height)
    sums = np.empty((height, 3 * w), np.float32)
    for row, (first, end) in enumerate(pairwise([0, *firsts.tolist(), h])):
        cv2.reduce(rows[first:end], 0, cv2.REDUCE_SUM, sums[row : row + 1], dtype=cv2.CV_32F)
    # A row across an edge counts for both sides, in parts.
    above = rows[firsts] * (parts / height).astype(np.float32)[:, np.newaxis]
    sums[1:] -= above
    sums[:-1] += above
    return sums.reshape(height, w, 3)


def _area(image: npt.NDArray[T], height: int, width: int) -> npt.NDArray[T]:
    if image.shape[:2] == (height, width):
        return image
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, image.dtype)
