"""A value and its 95 % interval: of a median, or of any statistic by the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

_DRAWN_AT_ONCE = 1_000_000  # values: memory does not grow with the sample


class Interval(NamedTuple):
    """A value and the ends of its 95 % interval, all in the unit of the value."""

    value: float
    low: float
    high: float

    def text(self, form: str) -> str:
        """Return '0.97 (0.95 to 0.99)'; `form` is the format of one number."""
        return f'{self.value:{form}} ({self.low:{form}} to {self.high:{form}})'


def median_interval(values: npt.ArrayLike) -> Interval:
    """Return the median of independent values (N,), N at least 1, with its interval.

    The number of values below the true median is binomial (N, 1/2), here by its normal
    approximation. With fewer than 6 values the interval is their whole range.

    Reference:
        Le Boudec, Performance Evaluation of Computer and Communication Systems, 2010, 2.2.2.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    low = max(0, math.floor((count - 1.96 * math.sqrt(count)) / 2) - 1) if count >= 6 else 0
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[-1 - low]))


def bootstrap(
    statistic: Callable[..., npt.ArrayLike],
    *samples: npt.ArrayLike,
    resamples: int,
    nearest: bool = False,
) -> Interval:
    """Return a statistic of paired samples with its interval: percentiles of a paired bootstrap.

    The seed is fixed: the same samples give the same interval.

    Args:
        statistic: Takes as many arrays as there are samples, and reduces their last axis. Where it
            is NaN, the draw is ignored.
        samples: One or more, all of the same length (N,), N at least 1; drawn together.
        resamples: How often to draw N places with replacement.
        nearest: Whether the ends are values that were drawn, not means of two. A statistic that
            may be infinite needs it.
    """
    paired = [np.asarray(sample, np.float64) for sample in samples]
    count = len(paired[0])
    rng = np.random.default_rng(0)
    step = max(1, _DRAWN_AT_ONCE // count)
    found = []
    for first in range(0, resamples, step):
        places = rng.integers(0, count, (min(step, resamples - first), count))
        found.append(np.asarray(statistic(*(sample[places] for sample in paired))))
    drawn = np.concatenate(found)
    if nearest:
        drawn = np.sort(drawn[~np.isnan(drawn)])
        low, high = (drawn[round(share * (len(drawn) - 1))] for share in (0.025, 0.975))
    else:
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Interval(float(np.asarray(statistic(*paired))), float(low), float(high))
