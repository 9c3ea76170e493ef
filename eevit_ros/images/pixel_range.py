"""Which values of deep pixels (10 to 64 bits) become black and white."""

from __future__ import annotations

from collections import deque
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import AUTO, Range

Pixels = npt.NDArray[Any]

SAMPLES = 64
"""Pixels a side that are looked at, about."""

ATTACK = 0.05
"""Share of the way to an image's own range that the automatic range moves with each image."""

LEAP = 0.3
MOST = 0.5
"""The share for an image of which more than `MOST` would be black or white: a tunnel ends."""

SETTLED = 20
"""Images after which the range counts for `LEAST_SHARE`: the first ones of a camera may be odd."""

TAILS_PERCENT = 1.0
"""Darkest and brightest pixels that the automatic range leaves out, each."""

LEAST_SHARE = 1 / 16
"""Share of the widest range so far that the automatic range keeps.

So a covered lens stays dark: its noise is not stretched to a picture.
"""

LEAST_STEPS = 128
"""Least width of the automatic range, whole numbers; a tenth for floating point."""

WATCHED = 16
"""One image of so many is looked at, for that takes longer than to scale it."""

LEAST_SHOWN = 1 / 32
"""Share of its encoding's range in which an image that is no more than even grey lies."""

LARGEST = 1e30  # of floating point: beyond it the width of the range is not a number

FEW_BITS = 14
"""Images in which no value of 16 bits needs more than these are told."""

LEAST_BITS = 10
"""Fewer than these are the scene's before they are the camera's: the exposure may still rise."""

LOOKS = 64
"""Images for which the bits in use count: one of garbage is forgotten."""

BRIGHTEST_PERCENT = 0.1
"""Brightest pixels that do not count for the bits in use: sensors have hot ones."""

STRUCTURE = 0.3
"""Cells of a picture differ by at least this share of what its pixels do; in noise by an eighth."""

_CELLS = 8


class PixelRange:
    """Finds the range of one camera's images. For one thread.

    Attributes:
        wanted: What is asked for: a range, `AUTO`, or None for the encoding's own.
        warning: That the images use little of the range, and the cure; '' if they do not.
    """

    def __init__(self, wanted: Range | str | None = None) -> None:
        """Start before the first image."""
        self.wanted = wanted
        self.warning = ''
        self._encoding = ''
        self._images = 0
        self._bits: deque[int] = deque(maxlen=LOOKS)
        self._low = self._high = self._widest = 0.0

    def of(self, pixels: Pixels, own: Range | None, encoding: str) -> Range:
        """Return the values of black and white.

        Args:
            pixels: The image, (H, W, channels).
            own: What its encoding means; None if nobody has agreed on that.
            encoding: Its name.

        Raises:
            EevitError: Nothing says which values are black and white.
        """
        if isinstance(self.wanted, tuple):
            return self.wanted
        if self.wanted == AUTO:
            return self._follow(_sample(pixels), encoding)
        if own is None:
            raise EevitError(
                f'encoding {encoding} does not say which values are black and white: set '
                f'image_range to [BLACK, WHITE] or auto'
            )
        if self._images % WATCHED == 0:
            self._watch(_sample(pixels), own, encoding)
        self._images += 1
        return own

    def _follow(self, sample: Pixels, encoding: str) -> Range:
        values = _readings(sample)
        values = values[values != 0] if encoding.endswith('C1') else values  # depth: no reading
        if values.size == 0:
            values = np.array([self._low, self._high])
        tails = TAILS_PERCENT, 100 - TAILS_PERCENT
        low, high = (float(x) for x in np.clip(np.percentile(values, tails), -LARGEST, LARGEST))
        if encoding != self._encoding:
            self._encoding, self._images, self._widest = encoding, 0, 0.0
            self._low, self._high = low, high
        self._images += 1
        outside = np.mean((values < self._low) | (values > self._high))
        share = max(LEAP if outside > MOST else ATTACK, 1 / self._images)
        self._low += share * (low - self._low)
        self._high += share * (high - self._high)
        if self._images >= SETTLED:
            self._widest = max(self._widest, self._high - self._low)
        least = LEAST_STEPS if sample.dtype.kind != 'f' else max(0.1, 1e-6 * abs(self._high))
        width = max(self._high - self._low, LEAST_SHARE * self._widest, least)
        # Both ends, so that what lies in the middle stays there.
        more = (width - (self._high - self._low)) / 2
        return self._low - more, self._high + more

    def _watch(self, sample: Pixels, own: Range, encoding: str) -> None:
        """Tell a picture that hardly shows from one that shows nothing."""
        values = _readings(sample)
        if values.size == 0 or not np.isfinite(sample).all():
            return
        percents = 1, 99, 100 - BRIGHTEST_PERCENT
        low, high, brightest = (float(x) for x in np.percentile(values, percents))
        if not _has_structure(np.minimum(sample, brightest)):
            return
        black, white = own
        self.warning = ''
        bits = FEW_BITS + 1
        if white == np.iinfo(np.uint16).max:  # all bits
            self._bits.append(int(brightest).bit_length())
            bits = max(self._bits)
        if bits <= FEW_BITS:
            camera = f'[0, {2**bits - 1}]'
            if bits < LEAST_BITS and len(self._bits) < LOOKS:
                camera = "the camera's bits, such as [0, 4095] for 12"
            self.warning = (
                f'the images use only the low {bits} bits of {encoding} and come out dark: set '
                f'image_range to {camera}, or to auto'
            )
        elif min(high, white) - max(low, black) < LEAST_SHOWN * (white - black):
            self.warning = (
                f'the images, {encoding}, hold values from {low:.5g} to {high:.5g}, but {black:g} '
                f'is black and {white:g} white: set image_range to what they hold, or to auto'
            )


def to_8_bit(pixels: Pixels, values: Range) -> npt.NDArray[np.uint8]:
    """Return the pixels with `values` as 0 and 255, rounded; NaN is black."""
    black, white = values
    scale = 255 / (white - black)
    if pixels.dtype.kind == 'f':
        pixels = np.nan_to_num(pixels, nan=black, posinf=np.inf, neginf=-np.inf)
    if not (black <= 0 and white > 0 and pixels.dtype.kind == 'u'):
        # `convertScaleAbs` takes the absolute value: nothing may lie beyond black.
        low, high = sorted(values)
        if pixels.dtype.kind != 'f':
            info = np.iinfo(pixels.dtype)
            low, high = np.clip([np.ceil(low), np.floor(high)], info.min, info.max)
        pixels = np.clip(pixels, pixels.dtype.type(low), pixels.dtype.type(high))
    # The offset lifts ties (depth of 1 m, 3 m, ...) clear of float rounding.
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=scale, beta=2e-4 - black * scale), np.uint8)


def _readings(sample: Pixels) -> Pixels:
    """Return the values that are numbers, and not the largest of all: saturated, or no reading."""
    is_float = sample.dtype.kind == 'f'
    there = np.isfinite(sample) if is_float else sample != np.iinfo(sample.dtype).max
    readings: Pixels = sample[there]
    return readings


def _sample(pixels: Pixels) -> Pixels:
    step = max(1, min(pixels.shape[:2]) // SAMPLES)
    return np.ascontiguousarray(pixels[::step, ::step])


def _has_structure(sample: Pixels) -> bool:
    """Return whether neighbours are alike, as in a picture and not in a sensor's noise."""
    grey = sample.mean(axis=2, dtype=np.float32)
    cells = cv2.resize(grey, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return bool(cells.std() > STRUCTURE * grey.std())
