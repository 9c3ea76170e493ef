"""What the governor subscribes to, and a watch over who else is on its topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription
from std_msgs.msg import Float32

from eevit_ros.nodes.ros_topics import message_class, qos_profile
from eevit_ros.nodes.topic_watch import GHOST_S, NAMELESS_S, TopicWatch
from eevit_ros.parameters import topics
from eevit_ros.speed.limit import SpeedLimit
from eevit_ros.speed.lowest_limit import LowestLimit

RATE_QOS, LIMIT_QOS = qos_profile(topics.RATE_INPUT), qos_profile(topics.OTHER_LIMIT)
(RATE_TYPE,), (LIMIT_TYPE,) = topics.RATE_INPUT.types, topics.OTHER_LIMIT.types

try:
    SpeedLimitMessage = message_class(LIMIT_TYPE)
except ImportError:  # a robot without Nav2
    SpeedLimitMessage = None

NO_NAV2 = (
    'nav2_msgs is not installed: speed_limit is not published and limit_sources are ignored '
    '(sudo apt install ros-$ROS_DISTRO-nav2-msgs); the other outputs work'
)


class RateSubscription:
    """One adaptive rate: its subscription, and a watch over who publishes it."""

    def __init__(
        self, node: Node, topic: str, limit: SpeedLimit, on_message: Callable[[], None]
    ) -> None:
        """Subscribe to a topic, whose messages and problems go into its limit."""
        self._topic = topic
        self._limit = limit
        self._on_message = on_message
        self._number: int | None = None  # of the last message
        # Humble's rclpy calls back with the message alone.
        numbered = hasattr(Subscription, 'CallbackType')
        callback: Any = self._on_numbered_rate if numbered else self._on_rate
        node.create_subscription(Float32, topic, callback, RATE_QOS)
        self._watch = TopicWatch(node, topic, RATE_TYPE, RATE_QOS)

    def check_publishers(self) -> None:
        """Report publishers that must not be there, or cannot be received, as faults."""
        report = self._limit.set_problem
        report('unheard', self._watch.unheard())
        names = self._watch.names()
        text = f'{len(names)} nodes publish on {self._topic}: {", ".join(names)}; only one may'
        report('several', text if len(names) > 1 else '')
        report('twins', _twins(self._watch, self._topic))

    def publishers(self) -> int:
        """Return how many publishers there are, those of killed processes included."""
        return self._watch.count()

    def is_missing(self) -> bool:
        """Return whether nothing publishes it."""
        return not self._watch.names()

    def _on_numbered_rate(self, message: Float32, info: Any) -> None:
        """Take a rate with its publisher's sequence number, where the middleware has one.

        Each publisher counts its own messages, so with two of them the numbers do not always rise.
        """
        number, last = info.get('publication_sequence_number'), self._number
        self._number = number
        if number is None or last is None or number > last:
            self._on_rate(message)
        else:
            self._on_rate(
                message,
                f'message {number} on {self._topic} came after message {last}: its publisher '
                'was restarted, or there are two',
            )

    def _on_rate(self, message: Float32, fault: str = '') -> None:
        self._limit.update_rate(message.data, time.monotonic(), fault)
        self._on_message()


class LimitInputs:
    """Subscriptions to adaptive rates and to other limit sources; all go into the limit.

    Attributes:
        rate_topics: Full names of the adaptive rates' topics, for people.
    """

    def __init__(
        self,
        node: Node,
        limit: LowestLimit,
        *,
        sources: Sequence[str],
        output: str,
        partner: str,
        on_message: Callable[[], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Node that subscribes; its executor calls back.
            limit: Limit that messages and problems go into; names the topics of the rates.
            sources: Full names of the other sources' topics.
            output: Full name of the topic that nobody else may publish on.
            partner: Full name of the node that may, too; '' for none.
            on_message: Called after every message.
        """
        self.rate_topics = ', '.join(limit.of)
        self._allowed = {node.get_fully_qualified_name(), partner}
        self._limit = limit
        self._output = output
        self._on_message = on_message
        self._rates = {
            topic: RateSubscription(node, topic, one, on_message) for topic, one in limit.of.items()
        }
        for topic in sources:
            on_zone = partial(self._on_zone, topic)
            node.create_subscription(SpeedLimitMessage, topic, on_zone, LIMIT_QOS)
        # A partner that was killed and comes back may be nameless for long.
        patience_s = GHOST_S if partner else NAMELESS_S
        self._output_watch = TopicWatch(node, output, LIMIT_TYPE, LIMIT_QOS, nameless_s=patience_s)
        self._source_watches = {
            topic: TopicWatch(node, topic, LIMIT_TYPE, LIMIT_QOS) for topic in sources
        }

    def check_publishers(self) -> None:
        """Report publishers that must not be there, or cannot be received, as faults."""
        for rate in self._rates.values():
            rate.check_publishers()
        report, output = self._limit.set_problem, self._output
        others = [name for name in self._output_watch.names() if name not in self._allowed]
        text = (
            f'{", ".join(others)} also publishes on {output}, where the last writer wins: remap it '
            "to a topic of its own and name that in the parameter 'limit_sources'"
        )
        report('foreign', text if others else '')
        report('double', _twins(self._output_watch, output))
        for topic, watch in self._source_watches.items():
            report(f'unheard {topic}', watch.unheard())

    def publishers(self) -> str:
        """Return how many publishers each rate has, those of killed processes included."""
        return ', '.join(str(rate.publishers()) for rate in self._rates.values())

    def missing_publisher(self) -> str:
        """Return that nothing publishes an adaptive rate; '' if something does."""
        missing = [topic for topic, rate in self._rates.items() if rate.is_missing()]
        if not missing:
            return ''
        cure = "the remapping of 'adaptive_rate'" if len(self._rates) == 1 else "'rate_sources'"
        return f'nothing publishes on {", ".join(missing)}: check {cure}'

    def _on_zone(self, topic: str, message: Any) -> None:
        self._limit.update_zone(topic, message.speed_limit, is_percent=message.percentage)
        self._on_message()


def _twins(watch: TopicWatch, topic: str) -> str:
    names = ', '.join(watch.twins())
    text = f'several publishers on {topic} are named {names}; only one may: end the other processes'
    return text if names else ''
