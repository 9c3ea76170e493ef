"""One place for the newest frame, between the subscription and the inference thread."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar('T')


class FrameSlot(Generic[T]):
    """Holds at most one waiting item; a newer one replaces it and the older counts as dropped.

    A queue would answer about the past whenever inference is slower than the camera.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._drops = 0

    @property
    def drops(self) -> int:
        """Items that were replaced before anybody took them."""
        with self._condition:
            return self._drops

    def put(self, item: T) -> None:
        """Place `item`, replacing a waiting one. Never waits. Ignored after `close`."""
        with self._condition:
            if self._closed:
                return
            if self._item is not None:
                self._drops += 1
            self._item = item
            self._condition.notify()

    def get(self) -> T | None:
        """Wait for an item and take it; None once closed (a waiting item is then discarded)."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake `get` for the last time."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
