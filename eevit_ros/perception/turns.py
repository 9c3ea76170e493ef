"""Whose frame is next, where several cameras share one network. Without ROS, without a clock."""

from __future__ import annotations

from collections.abc import Sequence


class Turns:
    """Hands out turns among cameras with a frame that waits.

    Next is the camera that has waited longest since its last turn. With weights: a turn of weight w
    counts 1 / w, and next is the camera with the fewest. A camera without a frame saves no turns
    up. So none starves, and where all always have a frame their turns are in proportion to the
    weights.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        """Start with no frame; the first camera is the first in doubt; weights are above 0."""
        self._weights = list(weights)
        self._waiting: set[int] = set()
        self._had = [0.0] * len(self._weights)  # turns, each divided by the weight
        self._last = [0] * len(self._weights)  # number of the last turn
        self._number = 0
        self._now = 0.0  # what the camera of the last turn had had before it

    def change(self, weights: Sequence[float]) -> None:
        """Take other weights: what the old ones have counted would hold cameras up for long."""
        if list(weights) != self._weights:
            self._weights = list(weights)
            self._had = [self._now] * len(self._weights)

    def came(self, camera: int) -> None:
        """Note that a frame of a camera waits; it may have done so already."""
        if camera not in self._waiting:
            self._waiting.add(camera)
            self._had[camera] = max(self._had[camera], self._now)

    def take(self) -> int | None:
        """Return the camera whose frame is next, which then waits no more; None if none waits."""
        if not self._waiting:
            return None
        camera = min(self._waiting, key=lambda one: (self._had[one], self._last[one], one))
        self._waiting.remove(camera)
        self._number += 1
        self._last[camera] = self._number
        self._now = self._had[camera]
        self._had[camera] += 1 / self._weights[camera]
        return camera
