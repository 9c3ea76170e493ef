"""What the frames say of the camera: how fast they come, and whether they repeat.

A network may be sure, and sure early, of a picture that is old.
"""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np
import numpy.typing as npt

from eevit_ros.perception.stamps import StampWatch

WINDOW = 60
ENOUGH = 20
NEAR = 0.15
"""How far, in periods, an interval may be from a whole number of periods."""

BURST_S = 0.008
"""Shorter intervals come from a driver that catches up, not from a camera's clock."""

SHORTEST = 0.15
"""This share of the intervals, the shortest, is taken to have lost no frame."""

LATER = 1.2
"""After a gap in the stamps the next frame takes at least so many times as long as the others."""

REGULAR = 0.8
"""Stamps tell the period when at least this share of the intervals are whole multiples of it."""


class FrozenCamera:
    """Counts frames in a row that repeat the picture before, byte for byte; stamps do not matter.

    A real sensor's noise never repeats, so a few equal frames are enough to tell. One is not: a
    frame may be delivered twice, and a simulated camera that stands still renders equal pictures.

    Attributes:
        repeats: Repetitions in a row so far.
    """

    def __init__(self, limit: int) -> None:
        """Watch a camera that counts as frozen after `limit` repetitions in a row, at least 1."""
        self._limit = limit
        self._data: array[int] | bytes = b''
        self.repeats = 0

    def update(self, data: array[int] | bytes) -> bool:
        """Compare a frame with the one before.

        Args:
            data: The image's bytes, kept (not copied) until the next call. Comparing costs one
                memcmp, which ends at the first byte that differs.

        Returns:
            Whether the camera is frozen.
        """
        same = len(data) > 0 and data == self._data
        self.repeats = self.repeats + 1 if same else 0
        self._data = data
        return self.repeats >= self._limit


class CameraRate:
    """Compares the stamps of the frames that arrived with each other.

    When frames are lost on the way, the shortest intervals between stamps still show the camera's
    period, and the others are whole multiples of it. Where they are not, the stamps jitter (many
    drivers stamp at receipt) and tell nothing. Receipt times are used for one thing only, so that a
    bag played slowly does not look like loss: after a gap of lost frames the next one comes later,
    too. It does not where stamps are those of a slow clock (/clock of 40 Hz). A loss of exactly
    every second frame cannot be seen this way.
    """

    def __init__(self) -> None:
        """Start before the first frame."""
        self._received_s: deque[float] = deque(maxlen=WINDOW)
        self._stamps_ns: deque[int] = deque(maxlen=WINDOW)

    def update(self, stamp_ns: int, now_s: float) -> None:
        """Take a frame's stamp (nanoseconds) and its time of receipt (steady clock, seconds)."""
        self._stamps_ns.append(stamp_ns)
        self._received_s.append(now_s)

    def received_hz(self, now_s: float) -> float:
        """Return the frames per second over the window up to now; 0 before the second frame."""
        if len(self._received_s) < 2:
            return 0.0
        # Up to now, so that the figure sinks when the camera stops.
        span = max(now_s, self._received_s[-1]) - self._received_s[0]
        return (len(self._received_s) - 1) / span if span > 0 else 0.0

    def camera_hz(self) -> float | None:
        """Return the camera's rate by its stamps; None when they do not tell."""
        periods = self._periods()
        return None if periods is None else 1.0 / periods[0]

    def gap_share(self) -> float:
        """Return the share of intervals that lack a frame or more; 0 when stamps do not tell."""
        periods = self._periods()
        return 0.0 if periods is None else float(np.mean(periods[1] >= 2))

    def _periods(self) -> tuple[float, npt.NDArray[np.float64]] | None:
        """Return the camera's period, seconds, and how many of them each interval has."""
        stamps_s = np.array(self._stamps_ns, np.int64).astype(np.float64) * 1e-9
        intervals = np.diff(stamps_s)
        usual = intervals > BURST_S
        period = self._period_s(intervals[usual])
        if period is None:
            return None
        counts = np.round(intervals[usual] / period)
        waits = np.diff(np.array(self._received_s))[usual]
        gaps = counts >= 2
        if gaps.any() and np.median(waits[gaps]) < LATER * np.median(waits[~gaps]):
            return None
        return period, counts

    @staticmethod
    def _period_s(intervals: npt.NDArray[np.float64]) -> float | None:
        if len(intervals) < ENOUGH:
            return None
        shortest = float(np.quantile(intervals, SHORTEST))
        period = float(np.median(intervals[np.abs(intervals / shortest - 1.0) < 0.2]))
        periods = intervals / period
        regular = np.mean(np.abs(periods - np.round(periods)) < NEAR)
        return period if regular >= REGULAR else None


class CameraHealth:
    """One camera's frames as they come in, and what got lost on the way.

    `update` and `picture` may run in a thread each, as for video: they set attributes of their own.

    Attributes:
        received: Frames that came in.
        received_s: When the last one did, steady clock, seconds; at first when the watch began.
        lost: Messages that the middleware says it lost.
        withheld: Packets of a video that gave no picture, because one before is missing.
        withheld_why: Why the last one was withheld; '' once pictures come again.
        frozen: Whether the camera repeats itself.
        rate: How fast frames come.
        stamps: Whether their stamps tell an age.
    """

    def __init__(self, frozen_after: int, now_s: float) -> None:
        """Start to watch.

        Args:
            frozen_after: Repetitions in a row that make the camera count as frozen, at least 1.
            now_s: Steady clock, seconds.
        """
        self._repetition = FrozenCamera(frozen_after)
        self.received = self.lost = self.withheld = 0
        self.withheld_why = ''
        self.received_s = now_s
        self.frozen = False
        self.rate = CameraRate()
        self.stamps = StampWatch()

    @property
    def repeats(self) -> int:
        """Repetitions of the same frame in a row."""
        return self._repetition.repeats

    def update(self, stamp_ns: int, data: array[int] | bytes | None, now_s: float) -> None:
        """Take a frame: its stamp, its bytes (see `FrozenCamera.update`), and when it came.

        Of a packet of video the bytes are None: whoever decodes it takes the `picture`.
        """
        self.received += 1
        self.received_s = now_s
        self.rate.update(stamp_ns, now_s)
        if data is not None:
            self.picture(stamp_ns, data, now_s)

    def picture(self, stamp_ns: int, data: array[int] | bytes, now_s: float) -> None:
        """Take a picture, in the order of time."""
        self.frozen = self._repetition.update(data)
        self.stamps.update(stamp_ns, now_s, repeated=self.repeats > 0)
