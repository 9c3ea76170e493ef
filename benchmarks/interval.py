"""A median and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLED = 2000


class Interval(NamedTuple):
    """A median and its 95 % interval by the bootstrap."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as `0.97 (0.95 to 0.99)`."""
        return f'{self.median:.3g} ({self.low:.3g} to {self.high:.3g})'


def interval_of(values: Sequence[float]) -> Interval:
    """The median of a sample of rounds, drawn again 2000 times with a fixed seed."""
    sample = np.asarray(values, float)
    drawn = np.random.default_rng(0).choice(sample, (RESAMPLED, len(sample)))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return Interval(float(np.median(sample)), float(low), float(high))
