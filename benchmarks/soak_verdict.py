"""What figures over a long time say: whether they grow, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

FLAT, GROWS, UNDECIDED = 'flat', 'grows', 'too short to tell'

SURE = 0.95  # of each of the two bounds
FEWEST = 6  # points, for a slope whose error can be known


@dataclass(frozen=True)
class Slope:
    """A straight line's slope, and the bounds between which it lies, each one with `SURE`.

    All in units of the values a unit of time; infinite where there are too few points.
    """

    value: float
    low: float
    high: float

    def verdict(self, limit: float) -> str:
        """Say whether it is surely below `limit`, surely above, or neither."""
        if self.high <= limit:
            return FLAT
        return GROWS if self.low > limit else UNDECIDED


def slope_of(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line by least squares.

    The points must be far enough apart for their errors to have nothing to do with each other.
    """
    n = len(times)
    if n < FEWEST:
        return Slope(0.0, -math.inf, math.inf)
    mean_t, mean_v = math.fsum(times) / n, math.fsum(values) / n
    spread = math.fsum((t - mean_t) ** 2 for t in times)
    slope = (
        math.fsum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True)) / spread
    )
    rest = math.fsum(
        (v - mean_v - slope * (t - mean_t)) ** 2 for t, v in zip(times, values, strict=True)
    )
    error = _student(SURE, n - 2) * math.sqrt(rest / (n - 2) / spread)
    return Slope(slope, slope - error, slope + error)


def count_verdict(counts: Sequence[int]) -> str:
    """Say whether a count (threads, open files) grows: never again as few as once at most."""
    half = len(counts) // 2
    if half < FEWEST // 2:
        return UNDECIDED
    return GROWS if min(counts[half:]) > max(counts[:half]) else FLAT


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all do not exceed; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def _student(share: float, freedom: int) -> float:
    """Return a quantile of Student's t, within 2 % from 4 degrees of freedom on.

    Reference: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5
    """
    z = NormalDist().inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2
