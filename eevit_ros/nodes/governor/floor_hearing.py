"""Whether those who obey the speed limit have heard the floor that a governor begins with."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.publisher import Publisher

PATIENCE_S = 3.0
"""A listener that has acknowledged nothing for this long is dead, or never will: go on."""


class FloorHearing:
    """Finds out, without waiting, whether what was sent was acknowledged.

    DDS discovery may take longer than the way back to full speed, and what is sent before it is
    lost. So without this a controller could hear of a restarted governor at full speed first.
    """

    def __init__(self, control: Sequence[Publisher], other: Publisher) -> None:
        """Listeners of `other` count while nobody listens to any of `control`."""
        self._control = control
        self._other = other
        self._listened: list[Publisher] = []
        self._since_s = 0.0

    def is_over(self, now_s: float) -> bool:
        """Return whether the floor was heard, to be called before each time that it is sent."""
        listened = [one for one in self._control if one.get_subscription_count()]
        if not listened and self._other.get_subscription_count():
            listened = [self._other]
        if listened != self._listened:  # they hear what is sent from now on
            self._listened, self._since_s = listened, now_s
            return False
        late = now_s - self._since_s >= PATIENCE_S
        return bool(listened) and (late or all(_acknowledged(one) for one in listened))


def _acknowledged(publisher: Publisher) -> bool:
    try:
        return bool(publisher.wait_for_all_acked(Duration(seconds=0)))
    except rclpy_implementation.RCLError:  # not every middleware tells: its subscription must do
        return True
