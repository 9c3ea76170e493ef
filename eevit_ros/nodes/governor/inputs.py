"""What the governor listens to, and a watch over who else is on its topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float32

from eevit_ros.nodes.governor.nav2 import SpeedLimitMessage
from eevit_ros.nodes.ros_topics import qos_profile
from eevit_ros.nodes.topic_watch import TopicWatch
from eevit_ros.parameters import topics
from eevit_ros.speed.limit import SpeedLimit

RATE_QOS, LIMIT_QOS = qos_profile(topics.RATE_INPUT), qos_profile(topics.OTHER_LIMIT)
(RATE_TYPE,), (LIMIT_TYPE,) = topics.RATE_INPUT.types, topics.OTHER_LIMIT.types


class LimitInputs:
    """Subscriptions to the adaptive rate and to other limit sources; all go into the limit."""

    def __init__(
        self,
        node: Node,
        limit: SpeedLimit,
        *,
        sources: Sequence[str],
        output: str,
        heard: Callable[[], None],
    ) -> None:
        """Subscribe now.

        Args:
            node: Its executor calls back.
            limit: Takes what is heard, and what is wrong.
            sources: Full names of the other sources' topics.
            output: Full name of the topic that only this node may publish on.
            heard: Called after every message.
        """
        self.rate_topic: str = node.resolve_topic_name(topics.RATE_INPUT.name)
        self._own_name: str = node.get_fully_qualified_name()
        self._limit = limit
        self._output = output
        self._heard = heard
        self._number: int | None = None  # of the last message of the adaptive rate
        # Humble's rclpy calls back with the message alone.
        numbered = hasattr(Subscription, 'CallbackType')
        callback: Any = self._on_numbered_rate if numbered else self._on_rate
        node.create_subscription(Float32, topics.RATE_INPUT.name, callback, RATE_QOS)
        for topic in sources:
            on_zone = partial(self._on_zone, topic)
            node.create_subscription(SpeedLimitMessage, topic, on_zone, LIMIT_QOS)
        self._rate_watch = TopicWatch(node, self.rate_topic, RATE_TYPE, RATE_QOS)
        self._output_watch = TopicWatch(node, output, LIMIT_TYPE, LIMIT_QOS)
        self._source_watches = {
            topic: TopicWatch(node, topic, LIMIT_TYPE, LIMIT_QOS) for topic in sources
        }

    def look_around(self) -> None:
        """Find out who else is on our topics, and take what must not be as a fault."""
        wrong, rate_topic, output = self._limit.set_problem, self.rate_topic, self._output
        wrong('unheard', self._rate_watch.unheard())
        names = self._rate_watch.names()
        text = f'{len(names)} nodes publish on {rate_topic}: {", ".join(names)}; only one may'
        wrong('several', text if len(names) > 1 else '')
        wrong('twins', _twins(self._rate_watch, rate_topic))
        others = [name for name in self._output_watch.names() if name != self._own_name]
        text = (
            f'{", ".join(others)} publishes on {output}, too, and the last writer wins: remap it '
            "to a topic of its own and name that in the parameter 'limit_sources'"
        )
        wrong('foreign', text if others else '')
        wrong('double', _twins(self._output_watch, output))
        for topic, watch in self._source_watches.items():
            wrong(f'unheard {topic}', watch.unheard())

    def publishers(self) -> int:
        """Return how many publishers the adaptive rate has, ghosts of killed processes included."""
        return self._rate_watch.count()

    def silence(self) -> str:
        """Say why no rate can come, '' if there is a publisher."""
        if self._rate_watch.names():
            return ''
        return f"nobody publishes on {self.rate_topic}: check the remapping of 'adaptive_rate'"

    def _on_numbered_rate(self, message: Float32, info: Any) -> None:
        """Take a rate with the number that its publisher gave it, where the middleware tells.

        A publisher numbers its messages one by one, so between two of them another publisher's
        number has no room to rise.
        """
        number, last = info.get('publication_sequence_number'), self._number
        self._number = number
        if number is None or last is None or number > last:
            self._on_rate(message)
        else:
            self._on_rate(
                message,
                f'message {number} on {self.rate_topic} came after message {last}: its publisher '
                'was restarted, or there are two',
            )

    def _on_rate(self, message: Float32, fault: str = '') -> None:
        self._limit.update_rate(message.data, time.monotonic(), fault)
        self._heard()

    def _on_zone(self, topic: str, message: Any) -> None:
        self._limit.update_zone(topic, message.speed_limit, is_percent=message.percentage)
        self._heard()


def _twins(watch: TopicWatch, topic: str) -> str:
    names = ', '.join(watch.twins())
    text = f'several publishers named {names} are on {topic}; only one may: end the other processes'
    return text if names else ''
