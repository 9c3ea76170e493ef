"""Who is at the other end of a topic, as the middleware's graph shows it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

GHOST_S = 30.0
"""A killed process has left the graph by then: DDS keeps its entry for 20 s at most."""

NAMELESS_S = 2.0
"""A node's name may reach the graph that much later than its publisher."""

UNKNOWN = '_NODE_NAME_UNKNOWN_'  # says rmw
NAMELESS = 'a publisher without a ROS node'


class Lasting:
    """Tells what lasts from what comes and goes; reads no clock."""

    def __init__(self, after_s: float) -> None:
        """Take as lasting what has been present for `after_s` seconds."""
        self._after_s = after_s
        self._since_s: dict[str, float] = {}

    def update(self, present: Iterable[str], now_s: float) -> list[str]:
        """Return which of what is present now has been so for long, sorted.

        Args:
            present: All that is present. Update often: a break between two updates goes unnoticed.
            now_s: Steady clock, seconds.
        """
        self._since_s = {what: self._since_s.get(what, now_s) for what in present}
        return sorted(what for what, s in self._since_s.items() if now_s - s >= self._after_s)


class TopicWatch:
    """Watches the publishers of a topic; ask it several times a second."""

    def __init__(
        self,
        node: Node,
        topic: str,
        type_name: str,
        qos: QoSProfile,
        clock: Callable[[], float] = time.monotonic,
        *,
        nameless_s: float = NAMELESS_S,
    ) -> None:
        """Watch.

        Args:
            node: Node of the subscription.
            topic: Full name of the topic.
            type_name: Type of the node's own subscription.
            qos: Its QoS.
            clock: Steady clock, seconds.
            nameless_s: For how long a publisher may lack the name of a node.
        """
        self._node = node
        self._topic = topic
        self._type_name = type_name
        self._qos = qos
        self._clock = clock
        self._nameless = Lasting(nameless_s)
        self._lasting = Lasting(GHOST_S)

    def names(self) -> list[str]:
        """Return the full names of the nodes that publish there.

        Each name counts once: a second publisher of that name may be the stale entry of a killed
        process.
        """
        return sorted({_name(info) for info in self._publishers()})

    def twins(self) -> list[str]:
        """Return the names that two publishers have had for `GHOST_S`, so that neither is stale.

        Told by endpoint: a process that is killed again and again leaves other ones each time.
        """
        names = {bytes(info.endpoint_gid).hex(): _name(info) for info in self._publishers()}
        lasting = self._lasting.update(names, self._clock())
        counts = Counter(names[endpoint] for endpoint in lasting)
        return sorted(name for name, n in counts.items() if n > 1)

    def count(self) -> int:
        """Return how many publishers there are."""
        return len(self._publishers())

    def unheard(self) -> str:
        """Name the publishers that the subscription cannot hear, and why; '' if there is none."""
        return '; '.join(sorted({text for i in self._publishers() if (text := self._why(i))}))

    def _publishers(self) -> Sequence[Any]:
        found: Sequence[Any] = self._node.get_publishers_info_by_topic(self._topic)
        nameless = [UNKNOWN] if any(info.node_name == UNKNOWN for info in found) else []
        if self._nameless.update(nameless, self._clock()):
            return found
        return [info for info in found if info.node_name != UNKNOWN]

    def _why(self, info: Any) -> str:
        if info.topic_type != self._type_name:
            return f'{_name(info)} publishes {info.topic_type} and not {self._type_name}'
        fits, reason = qos_check_compatible(info.qos_profile, self._qos)
        if fits != QoSCompatibility.ERROR:
            return ''
        reason = reason.replace('ERROR: ', '').rstrip(';')
        return f'the QoS of {_name(info)} does not fit ({reason})'


def _name(info: Any) -> str:
    if info.node_name == UNKNOWN:
        return NAMELESS
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'
