"""Whether those that obey the limit have received it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Sequence

from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.publisher import Publisher

PATIENCE_S = 3.0
"""A subscriber that has acknowledged nothing for this long is dead or never will: go on."""


class FloorDelivery:
    """Tells, without waiting, whether the floor that a governor starts with was acknowledged.

    DDS discovery may take longer than the climb back to full speed, and what is sent before it is
    lost: the first limit that a controller receives of a restarted governor could be full speed.
    An echo or a recorder that was discovered sooner says nothing of the controller: so one of the
    known controllers must be there, or time for discovery must have passed.
    """

    def __init__(
        self,
        node: Node,
        control: Sequence[Publisher],
        fallback: Publisher,
        *,
        controllers: Collection[str],
        hold_s: float,
    ) -> None:
        """Watch the subscribers of `control`; those of `fallback` while `control` has none.

        Args:
            node: Node of the publishers.
            control: Publishers whose subscribers drive.
            fallback: Publisher that counts where nothing else is subscribed to.
            controllers: Names of nodes, without namespace, that obey the limit.
            hold_s: Seconds from the first question on for which others alone are not enough.
        """
        self._node = node
        self._control = control
        self._fallback = fallback
        self._controllers = frozenset(controllers)
        self._hold_s = hold_s
        self._started_s: float | None = None
        self._watched: dict[bytes, str] = {}
        self._since_s = 0.0

    def is_done(self, now_s: float) -> bool:
        """Return whether the floor was acknowledged; call this before each time that it is sent."""
        if self._started_s is None:
            self._started_s = now_s
        publishers = self._control
        watched = self._subscribers(publishers)
        if not watched:
            publishers = [self._fallback]
            watched = self._subscribers(publishers)
        if watched != self._watched:  # they receive what is sent from now on
            self._watched, self._since_s = watched, now_s
            return False
        known = not self._controllers.isdisjoint(watched.values())
        if not watched or not (known or now_s - self._started_s >= self._hold_s):
            return False
        late = now_s - self._since_s >= PATIENCE_S
        return late or all(self._acknowledged(one) for one in publishers)

    def wait(self, timeout_s: float) -> None:
        """Wait, at most so long in all, until what was sent is acknowledged."""
        deadline_s = time.monotonic() + timeout_s
        for publisher in (*self._control, self._fallback):  # those that matter most first
            left_s = max(0.0, deadline_s - time.monotonic())
            with contextlib.suppress(rclpy_implementation.RCLError):  # not every middleware can
                publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _subscribers(self, publishers: Iterable[Publisher]) -> dict[bytes, str]:
        """Return the node names of all subscribers that the graph shows, by endpoint."""
        return {
            bytes(info.endpoint_gid): info.node_name
            for publisher in publishers
            for info in self._node.get_subscriptions_info_by_topic(publisher.topic_name)
        }

    def _acknowledged(self, publisher: Publisher) -> bool:
        """Return whether all that the graph shows are connected and have what was sent."""
        if publisher.get_subscription_count() < len(self._subscribers([publisher])):
            return False
        try:
            return bool(publisher.wait_for_all_acked(Duration(seconds=0)))
        except rclpy_implementation.RCLError:  # not every middleware can: a subscription must do
            return True
