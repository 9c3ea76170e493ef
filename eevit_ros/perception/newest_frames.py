"""What waits for the network: of each camera the newest frame. Without ROS, without a clock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar('T')


class NewestFrames(Generic[T]):
    """The place of each camera, in which a newer frame replaces the one that waits.

    A queue would answer about the past whenever the network is slower than the camera.

    Next is the camera that has waited longest since its last turn. With weights: a turn of weight w
    counts 1 / w, and next is the camera with the fewest. A camera without a frame saves no turns
    up. So none starves, and where all always have a frame their turns are in proportion to the
    weights.

    Attributes:
        drops: Frames of each camera that were replaced.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Start empty; the first camera is the first in doubt; weights are above 0."""
        self._weights = dict(weights)
        self.drops = dict.fromkeys(weights, 0)
        self._waiting: dict[str, T] = {}
        self._had = dict.fromkeys(weights, 0.0)  # turns, each divided by the weight
        self._last = dict.fromkeys(weights, 0)  # number of the last turn
        self._number = 0
        self._now = 0.0  # what the camera of the last turn had had before it
        self._changed = threading.Condition()
        self._closed = False

    def put(self, camera: str, frame: T) -> T | None:
        """Let a frame wait; return the one that it replaces."""
        with self._changed:
            replaced = self._waiting.get(camera)
            if replaced is None:
                self._had[camera] = max(self._had[camera], self._now)
            else:
                self.drops[camera] += 1
            self._waiting[camera] = frame
            self._changed.notify()
        return replaced

    def take(self) -> tuple[str, T] | None:
        """Return the camera that is next and its frame; None if none waits."""
        with self._changed:
            waiting = [camera for camera in self._weights if camera in self._waiting]
            if not waiting:
                return None
            camera = min(waiting, key=lambda one: (self._had[one], self._last[one]))
            self._number += 1
            self._last[camera] = self._number
            self._now = self._had[camera]
            self._had[camera] += 1 / self._weights[camera]
            return camera, self._waiting.pop(camera)

    def get(self) -> tuple[str, T] | None:
        """As `take`, but wait for a frame; return None after `close`."""
        with self._changed:
            while not self._closed:
                if taken := self.take():
                    return taken
                self._changed.wait()
        return None

    def change(self, weights: Mapping[str, float]) -> None:
        """Take other weights: what the old ones have counted would hold cameras up for long."""
        with self._changed:
            if dict(weights) != self._weights:
                self._weights = dict(weights)
                self._had = dict.fromkeys(weights, self._now)

    def close(self) -> None:
        """Discard what waits and end the work."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
