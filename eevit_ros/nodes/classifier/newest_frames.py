"""What waits for the network: of each camera the newest frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from eevit_ros.perception.turns import Turns

T = TypeVar('T')


class Slot(Generic[T]):
    """The place of one camera, in which a newer frame replaces the one that waits.

    A queue would answer about the past whenever the network is slower than the camera.

    Attributes:
        waiting: The frame that waits, or None.
        drops: Frames that were replaced.
    """

    def __init__(self, changed: threading.Condition, came: Callable[[], None]) -> None:
        """Start empty.

        Args:
            changed: Held while the slot changes, and notified then.
            came: Called when a frame waits.
        """
        self.waiting: T | None = None
        self.drops = 0
        self._changed = changed
        self._came = came

    def put(self, frame: T) -> None:
        """Let a frame wait."""
        with self._changed:
            self.drops += self.waiting is not None
            self.waiting = frame
            self._came()
            self._changed.notify()


class NewestFrames(Generic[T]):
    """The slots of all cameras, for one thread that takes the frames.

    Attributes:
        slots: Of each camera.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """Start empty, with a slot for each weight; see `Turns`."""
        self._turns = Turns(weights)
        self._changed = threading.Condition()
        self.slots: list[Slot[T]] = [
            Slot(self._changed, partial(self._turns.came, camera)) for camera in range(len(weights))
        ]
        self._closed = False

    def get(self) -> tuple[int, T] | None:
        """Wait for a frame; return the number of its slot and it, or None after `close`."""
        with self._changed:
            while not self._closed:
                if (camera := self._turns.take()) is not None:
                    slot = self.slots[camera]
                    frame, slot.waiting = slot.waiting, None
                    assert frame is not None
                    return camera, frame
                self._changed.wait()
        return None

    def change(self, weights: Sequence[float]) -> None:
        """Take other weights."""
        with self._changed:
            self._turns.change(weights)

    def close(self) -> None:
        """Discard what waits and end the work."""
        with self._changed:
            self._closed = True
            self._changed.notify()
