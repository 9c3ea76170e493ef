"""Whether the subscribers that obey the limit have received it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.publisher import Publisher

PATIENCE_S = 3.0
"""A subscriber that has acknowledged nothing for this long is dead or never will: go on."""


class FloorDelivery:
    """Tells, without waiting, whether the floor that a governor starts with was acknowledged.

    DDS discovery may take longer than the climb back to full speed, and what is sent before it is
    lost: the first limit that a controller receives of a restarted governor could be full speed.
    """

    def __init__(self, control: Sequence[Publisher], fallback: Publisher) -> None:
        """Watch the subscribers of `control`; those of `fallback` while `control` has none."""
        self._control = control
        self._fallback = fallback
        self._watched: list[Publisher] = []
        self._since_s = 0.0

    def is_done(self, now_s: float) -> bool:
        """Return whether the floor was acknowledged; call this before each time that it is sent."""
        watched = [one for one in self._control if one.get_subscription_count()]
        if not watched and self._fallback.get_subscription_count():
            watched = [self._fallback]
        if watched != self._watched:  # they receive what is sent from now on
            self._watched, self._since_s = watched, now_s
            return False
        late = now_s - self._since_s >= PATIENCE_S
        return bool(watched) and (late or all(_acknowledged(one) for one in watched))

    def wait(self, timeout_s: float) -> None:
        """Wait, at most so long in all, until what was sent is acknowledged."""
        deadline_s = time.monotonic() + timeout_s
        for publisher in (*self._control, self._fallback):  # those that matter most first
            left_s = max(0.0, deadline_s - time.monotonic())
            with contextlib.suppress(rclpy_implementation.RCLError):  # not every middleware can
                publisher.wait_for_all_acked(Duration(seconds=left_s))


def _acknowledged(publisher: Publisher) -> bool:
    try:
        return bool(publisher.wait_for_all_acked(Duration(seconds=0)))
    except rclpy_implementation.RCLError:  # not every middleware can: a subscription must do
        return True
