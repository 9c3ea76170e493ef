"""Whether a frame shows anything: a covered lens, a closed shutter or darkness do not.

A network may be sure, and sure early, of a picture in which there is nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from eevit_ros.images.resize import Image

CELLS = 8
"""Cells a side, of which each is averaged, so that the sensor's noise is no contrast."""

SAMPLES = 8
"""Pixels a side and cell that are averaged, at least; all of a large image would take too long."""


def contrast(image: Image) -> float:
    """Return the standard deviation of an RGB frame's brightness, coarsely: 0 (even) to 127.5."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // (CELLS * SAMPLES))
    grey = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_RGB2GRAY)
    # In floating point: rounded to whole numbers, an even grey between two of them has contrast.
    cells = min(CELLS, grey.shape[1]), min(CELLS, grey.shape[0])
    mean = cv2.resize(grey.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    return float(mean.std())
