"""Who is at the other end of a topic, as the middleware's graph shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible


class TopicWatch:
    """Looks at the publishers of a topic that the node listens to."""

    def __init__(self, node: Node, topic: str, type_name: str, qos: QoSProfile) -> None:
        """Take the topic's full name, and type and QoS of the node's own subscription."""
        self._node = node
        self._topic = topic
        self._type_name = type_name
        self._qos = qos

    def names(self) -> list[str]:
        """Return the full names of the nodes that publish there.

        A process that was killed stays in the graph for a while, so one of a node's two publishers
        may be a ghost: a node counts once.
        """
        return sorted({_name(info) for info in self._publishers()})

    def count(self) -> int:
        """Return how many publishers there are."""
        return len(self._publishers())

    def unheard(self) -> str:
        """Name the publishers that the subscription cannot hear, and why; '' if there is none."""
        return '; '.join(sorted({text for i in self._publishers() if (text := self._why(i))}))

    def _publishers(self) -> Sequence[Any]:
        found: Sequence[Any] = self._node.get_publishers_info_by_topic(self._topic)
        return found

    def _why(self, info: Any) -> str:
        if info.topic_type != self._type_name:
            return f'{_name(info)} publishes {info.topic_type} and not {self._type_name}'
        verdict, reason = qos_check_compatible(info.qos_profile, self._qos)
        if verdict != QoSCompatibility.ERROR:
            return ''
        reason = reason.replace('ERROR: ', '').rstrip(';')
        return f'the QoS of {_name(info)} does not fit ({reason})'


def _name(info: Any) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'
