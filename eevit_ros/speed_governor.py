"""The node `speed_governor`: from the adaptive rate to what navigation obeys.

A process of its own, because only another process survives a crash of the classifier.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import Float32, Header

from eevit_ros import node_process
from eevit_ros.errors import EevitError
from eevit_ros.governor_parameters import GovernorSettings
from eevit_ros.node_process import EXIT_NOT_CONFIGURED, SPIN_S
from eevit_ros.report import ERROR, OK, WARN, Report
from eevit_ros.speed_limit import FAULTS, FULL_PERCENT, RECOVERING, STARTUP, Limit, SpeedLimit
from eevit_ros.status_message import status
from eevit_ros.topic_watch import TopicWatch

try:
    from nav2_msgs.msg import SpeedLimit as SpeedLimitMessage
except ImportError:  # a robot without Nav2
    SpeedLimitMessage = None

REPORT_PERIOD_S = 1.0
LOG_PERIOD_S = 5.0
FAREWELL_S = 0.5

# Best effort hears every publisher. Depth 1: what waited in a queue while this process was held
# up must not count as fresh messages.
RATE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10)

NO_NAV2 = (
    'nav2_msgs is not installed: speed_limit is not published and limit_sources are not heard '
    '(sudo apt install ros-$ROS_DISTRO-nav2-msgs); the other outputs work'
)


class SpeedGovernor(Node):
    """Publishes the limit at a fixed rate from start to end, and at once when it falls."""

    def __init__(self) -> None:
        """Read the parameters, subscribe, and publish the floor.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('speed_governor')
        self._settings = GovernorSettings.of(self)
        self._name: str = self.get_fully_qualified_name()
        self._output: str = self.resolve_topic_name('speed_limit')
        sources = self._settings.limit_sources if SpeedLimitMessage is not None else ()
        topics = [self.resolve_topic_name(topic) for topic in sources]
        if self._output in topics:
            raise EevitError(
                f"parameter 'limit_sources' names {self._output}, which this node publishes: remap "
                'the other source to a topic of its own and name that one'
            )
        self._limit = SpeedLimit(self._settings.limit, topics)
        self._sent = Limit(FULL_PERCENT, STARTUP, '')
        self._number: int | None = None  # of the last message of the adaptive rate

        self._scale = self.create_publisher(Float32, '~/speed_scale', RELIABLE)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', RELIABLE)
        self._outputs = [self._scale]
        self._speed_limit: Any = None
        if SpeedLimitMessage is None:
            self.get_logger().warning(NO_NAV2)
        else:
            self._speed_limit = self.create_publisher(SpeedLimitMessage, 'speed_limit', RELIABLE)
            self._outputs.append(self._speed_limit)

        self._input: str = self.resolve_topic_name('adaptive_rate')
        # Humble's rclpy calls with the message alone.
        tells = hasattr(Subscription, 'CallbackType')
        callback: Any = self._on_numbered_rate if tells else self._on_rate
        self.create_subscription(Float32, 'adaptive_rate', callback, RATE_QOS)
        self._input_watch = TopicWatch(self, self._input, 'std_msgs/msg/Float32', RATE_QOS)
        self._zone_watches = {}
        for topic in topics:
            self.create_subscription(
                SpeedLimitMessage, topic, partial(self._on_zone, topic), RELIABLE
            )
            self._zone_watches[topic] = self._watch_limit(topic)
        self._output_watch = self._watch_limit(self._output)

        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / self._settings.publish_hz, self._tick, clock=steady)
        self.create_timer(REPORT_PERIOD_S, self._report, clock=steady)
        self._tick()
        self.get_logger().info(f'waiting for the adaptive rate on {self._input}')

    def farewell(self) -> None:
        """Publish the floor as the last word and wait, a bounded time, until it was received."""
        self._limit.set_wrong('shutdown', 'the governor was shut down')
        self._send(self._limit.at(time.monotonic()))
        deadline_s = time.monotonic() + FAREWELL_S
        for publisher in self._outputs:
            left_s = max(0.0, deadline_s - time.monotonic())
            publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _on_numbered_rate(self, message: Float32, info: Any) -> None:
        """Take a rate with the number that its publisher gave it, where the middleware tells.

        Every publisher counts its own messages: between two of one publisher, a number of another
        publisher's cannot rise.
        """
        number, last = info.get('publication_sequence_number'), self._number
        self._number = number
        if number is None or last is None or number > last:
            self._on_rate(message)
        else:
            self._on_rate(
                message,
                f'message {number} on {self._input} came after message {last}: its publisher was '
                'restarted, or there are two',
            )

    def _on_rate(self, message: Float32, fault: str = '') -> None:
        now_s = time.monotonic()
        self._limit.see_rate(message.data, now_s, fault)
        self._send_fall(now_s)

    def _on_zone(self, topic: str, message: Any) -> None:
        self._limit.see_zone(topic, message.speed_limit, is_percent=message.percentage)
        self._send_fall(time.monotonic())

    def _send_fall(self, now_s: float) -> None:
        limit = self._limit.at(now_s)
        if limit.percent < self._sent.percent:
            self._send(limit)

    def _tick(self) -> None:
        self._look_around()
        self._send(self._limit.at(time.monotonic()))

    def _look_around(self) -> None:
        """Find out who else is on our topics, and take what must not be as a fault."""
        wrong = self._limit.set_wrong
        wrong('unheard', self._input_watch.unheard())
        names = self._input_watch.names()
        wrong('input', _several(names, self._input) if len(names) > 1 else '')
        others = [name for name in self._output_watch.names() if name != self._name]
        wrong('output', _foreign(others, self._output) if others else '')
        for topic, watch in self._zone_watches.items():
            wrong(f'unheard {topic}', watch.unheard())

    def _send(self, limit: Limit) -> None:
        turned = limit.reason != self._sent.reason
        self._sent = limit
        share = limit.percent / FULL_PERCENT
        if self._speed_limit is not None:
            percentage = self._settings.unit == 'percentage'
            message = SpeedLimitMessage(header=self._header(), percentage=percentage)
            max_speed_mps = self._settings.limit.max_speed_mps
            message.speed_limit = limit.percent if percentage else share * max_speed_mps
            self._speed_limit.publish(message)
        self._scale.publish(Float32(data=share))
        if turned:
            self._report()

    def _report(self) -> None:
        report = self._judge(self._sent)
        name = f'{self._name.lstrip("/")}: speed limit'
        message = status(name, report, self._input)
        self._diagnostics.publish(DiagnosticArray(header=self._header(), status=[message]))

    def _judge(self, limit: Limit) -> Report:
        texts = [limit.text]
        level = OK
        if limit.reason in FAULTS:
            level = ERROR
            if not self._input_watch.names():
                texts.append(
                    f"nobody publishes on {self._input}: check the remapping of 'adaptive_rate'"
                )
        elif limit.reason == RECOVERING:
            level = WARN
        if SpeedLimitMessage is None:
            level = max(level, WARN)
            texts.append(NO_NAV2)
        age_s = self._limit.age_s(time.monotonic())
        values = {
            'limit_percent': f'{limit.percent:.4g}',
            'reason': limit.reason,
            'adaptive_rate': 'none' if self._limit.rate is None else f'{self._limit.rate:.4g}',
            'input_age_s': 'none' if age_s is None else f'{age_s:.3f}',
            'input_topic': self._input,
            'faults': str(self._limit.faults),
            **{f'source {name}': f'{zone:.4g}' for name, zone in self._limit.zones.items()},
        }
        return Report(level, f'{limit.reason}: {"; ".join(texts)}', values)

    def _watch_limit(self, topic: str) -> TopicWatch:
        return TopicWatch(self, topic, 'nav2_msgs/msg/SpeedLimit', RELIABLE)

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg())


def _several(names: list[str], topic: str) -> str:
    return f'{len(names)} nodes publish on {topic}: {", ".join(names)}; only one may'


def _foreign(names: list[str], topic: str) -> str:
    return (
        f'{", ".join(names)} publishes on {topic}, too, and the last writer wins: remap it to a '
        "topic of its own and name that in the parameter 'limit_sources'"
    )


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns:
        The exit code: 0, or 2 when a parameter is wrong.
    """
    return node_process.run('speed_governor', _run, args)


def _run(stop: threading.Event) -> int:
    try:
        node = SpeedGovernor()
    except EevitError as err:
        get_logger('speed_governor').fatal(str(err))
        return EXIT_NOT_CONFIGURED
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SPIN_S)
    finally:
        node.farewell()
        executor.shutdown()
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main())
