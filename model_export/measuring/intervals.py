"""Medians with 95 % intervals from the order of the values alone: times have no bell curve."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Interval(NamedTuple):
    """A median and the ends of its 95 % interval, in the unit of the values."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """As tables show it."""
        digits = 2 if abs(self.median) >= 1 else 3
        return f'{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})'


def median_interval(values: npt.NDArray[np.float64]) -> Interval:
    """The median of independent `values` (N,), N at least 1.

    The number of values below the true median is binomial (N, 1/2), here by its normal
    approximation. With fewer than 6 values the interval is their whole range.

    Reference:
        Le Boudec, Performance Evaluation of Computer and Communication Systems, 2010, 2.2.2.
    """
    ordered = np.sort(values)
    count = len(ordered)
    low = max(0, math.floor((count - 1.96 * math.sqrt(count)) / 2) - 1) if count >= 6 else 0
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[-1 - low]))
