"""Which values of deep pixels (10 to 64 bits) become black and white."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.images.settings import AUTO, Range

Pixels = npt.NDArray[Any]


class PixelRange:
    """Finds the range of one camera's images.

    Attributes:
        wanted: The range that is asked for; None takes the encoding's own.
    """

    def __init__(self, wanted: Range | str | None = None) -> None:
        """Start before the first image."""
        self.wanted = wanted

    def of(self, pixels: Pixels, own: Range) -> Range:
        """Return the values of black and white.

        Args:
            pixels: The image, (H, W, channels).
            own: What its encoding means.
        """
        if self.wanted is None or self.wanted == AUTO:
            return own
        return self.wanted  # type: ignore[return-value]


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
