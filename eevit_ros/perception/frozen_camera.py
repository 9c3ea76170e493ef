"""Notices a camera that repeats one frame: the picture stands still while the robot moves."""

from __future__ import annotations

from array import array


class FrozenCamera:
    """Counts frames in a row that repeat the one before: the same stamp, or the same bytes.

    A real sensor's noise never repeats, so a few equal frames are enough to tell. One is not: a
    frame may be delivered twice, and a simulated camera that stands still renders equal pictures.
    """

    def __init__(self, limit: int) -> None:
        """Watch a camera.

        Args:
            limit: Repetitions in a row that make the camera count as frozen, at least 1.
        """
        self._limit = limit
        self._stamp_ns = 0
        self._data: array[int] | bytes = b''
        self.repeats = 0

    @property
    def frozen(self) -> bool:
        """Whether the latest frame was at least the limit's repetition in a row."""
        return self.repeats >= self._limit

    def see(self, stamp_ns: int, data: array[int] | bytes) -> bool:
        """Take note of a frame.

        Args:
            stamp_ns: Its header's stamp; 0 means that the driver sets none and is not compared.
            data: Its bytes, kept (not copied) until the next call. Comparing costs one memcmp,
                which ends at the first differing byte.

        Returns:
            Whether the camera is frozen.
        """
        same_stamp = stamp_ns != 0 and stamp_ns == self._stamp_ns
        same_data = len(data) > 0 and data == self._data
        self.repeats = self.repeats + 1 if same_stamp or same_data else 0
        self._stamp_ns, self._data = stamp_ns, data
        return self.frozen
