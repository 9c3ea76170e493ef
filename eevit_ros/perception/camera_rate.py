"""How fast frames come, and how fast the camera seems to make them."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

WINDOW = 60
ENOUGH = 20
NEAR = 0.15
"""How far, in periods, an interval may be from a whole number of periods."""

BURST_S = 0.008
"""Shorter intervals come from a driver that catches up, not from a camera's clock."""

SHORTEST = 0.15
"""This share of the intervals, the shortest, is taken to have lost no frame."""

REGULAR = 0.8
"""Stamps tell the period when at least this share of the intervals are whole multiples of it."""


class CameraRate:
    """Compares the stamps of the frames that arrived with each other.

    When frames are lost on the way, the shortest intervals between stamps still show the camera's
    period, and the others are whole multiples of it. Where they are not, the stamps jitter (many
    drivers stamp at receipt) and tell nothing. Stamps alone are used, not receipt times, so that a
    bag played slowly does not look like loss. A loss of exactly every second frame cannot be seen
    this way.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._received_s: deque[float] = deque(maxlen=WINDOW)
        self._stamps_ns: deque[int] = deque(maxlen=WINDOW)

    def see(self, stamp_ns: int, now_s: float) -> None:
        """Take note of a frame's stamp and its time of receipt (steady clock, seconds)."""
        self._stamps_ns.append(stamp_ns)
        self._received_s.append(now_s)

    def received_hz(self, now_s: float) -> float:
        """Frames per second over the window up to now; 0 before the second frame."""
        if len(self._received_s) < 2:
            return 0.0
        # Up to now, so that the figure sinks when the camera stops.
        span = max(now_s, self._received_s[-1]) - self._received_s[0]
        return (len(self._received_s) - 1) / span if span > 0 else 0.0

    def camera_hz(self) -> float | None:
        """The camera's rate by its stamps; None when they do not tell."""
        period = self._period_s(self._intervals_s())
        return None if period is None else 1.0 / period

    def gap_share(self) -> float:
        """Share of intervals that lack at least one frame; 0 when stamps do not tell."""
        intervals = self._intervals_s()
        period = self._period_s(intervals)
        return 0.0 if period is None else float(np.mean(np.round(intervals / period) >= 2))

    def _intervals_s(self) -> npt.NDArray[np.float64]:
        stamps_s = np.array(self._stamps_ns, np.int64).astype(np.float64) * 1e-9
        intervals = np.diff(stamps_s)
        return np.asarray(intervals[intervals > BURST_S], np.float64)

    @staticmethod
    def _period_s(intervals: npt.NDArray[np.float64]) -> float | None:
        if len(intervals) < ENOUGH:
            return None
        shortest = float(np.quantile(intervals, SHORTEST))
        period = float(np.median(intervals[np.abs(intervals / shortest - 1.0) < 0.2]))
        periods = intervals / period
        regular = np.mean(np.abs(periods - np.round(periods)) < NEAR)
        return period if regular >= REGULAR else None
