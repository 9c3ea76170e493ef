"""The node `speed_governor`: from the adaptive rate to what navigation obeys.

A process of its own, because only another process survives a crash of the classifier.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.exceptions import NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.expand_topic_name import expand_topic_name
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name
from std_msgs.msg import Float32, Header

from eevit_ros.errors import EevitError
from eevit_ros.nodes import declare
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.governor.command_scaler import CommandScaler
from eevit_ros.nodes.governor.floor_hearing import FloorHearing
from eevit_ros.nodes.governor.inputs import LimitInputs
from eevit_ros.nodes.governor.nav2 import NO_NAV2, SpeedLimitMessage
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED, SPIN_S
from eevit_ros.nodes.ros_topics import qos_profile
from eevit_ros.nodes.status_log import StatusLog, status_message
from eevit_ros.parameters import topics
from eevit_ros.parameters.governor import GovernorSettings
from eevit_ros.perception.status import ERROR, OK, WARN, Status
from eevit_ros.speed.limit import (
    DEEP,
    FRESH,
    FULL_PERCENT,
    RECOVERING,
    RISING,
    SHUTDOWN,
    SOURCE,
    STALE,
    STARTUP,
    WRONG,
    Limit,
    SpeedLimit,
)

REPORT_PERIOD_S = 1.0
FAREWELL_S = 0.5

LEVELS = {
    **dict.fromkeys((FRESH, DEEP, SOURCE, RISING), OK),
    **dict.fromkeys((STARTUP, RECOVERING, SHUTDOWN), WARN),
    **dict.fromkeys((STALE, WRONG), ERROR),
}


class SpeedGovernor(Node):
    """Publishes the limit at a fixed rate from start to end, and at once when it falls."""

    def __init__(self) -> None:
        """Read the parameters, subscribe, and publish the floor.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('speed_governor')
        self._settings = read_settings(self)
        output = self.resolve_topic_name(topics.SPEED_LIMIT.name)
        sources = [self.resolve_topic_name(topic) for topic in self._settings.limit_sources]
        if output in sources:
            raise EevitError(
                f"parameter 'limit_sources' names {output}, on which this node publishes: remap "
                'the other source to a topic of its own and name that one'
            )
        if SpeedLimitMessage is None:
            self.get_logger().warning(NO_NAV2)
            sources = []
        self._limit = SpeedLimit(self._settings.limit, sources)
        self._sent = Limit(FULL_PERCENT, STARTUP, '')
        self._started_s = time.monotonic()

        def publisher(message_type: Any, topic: topics.Topic) -> Any:
            return self.create_publisher(message_type, topic.name, qos_profile(topic))

        self._scale = publisher(Float32, topics.SPEED_SCALE)
        self._diagnostics = publisher(DiagnosticArray, topics.GOVERNOR_DIAGNOSTICS)
        self._control: list[Any] = []  # the outputs whose listeners drive
        self._speed_limit: Any = None
        if SpeedLimitMessage is not None:
            self._speed_limit = publisher(SpeedLimitMessage, topics.SPEED_LIMIT)
            self._control.append(self._speed_limit)
        self._command: CommandScaler | None = None
        if self._settings.command != 'none':
            kind, timeout_s = self._settings.command, self._settings.command_timeout_s
            self._command = CommandScaler(self, kind, timeout_s, self._share)
            self._control.append(self._command.publisher)
        self._hearing = FloorHearing(self._control, self._scale)

        self._inputs = LimitInputs(
            self, self._limit, sources=sources, output=output, heard=self._on_heard
        )
        self._log = StatusLog(self.get_logger(), self._inputs.rate_topic)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / self._settings.publish_hz, self._tick, clock=steady)
        self.create_timer(REPORT_PERIOD_S, self._report, clock=steady)
        self._tick()
        self._publish(self._judge(self._sent))
        self.get_logger().info(f'waiting for the adaptive rate on {self._inputs.rate_topic}')

    def say_farewell(self) -> None:
        """Publish the floor as the last word and wait, a bounded time, until it was received."""
        self._limit.shut_down()
        self._send(self._limit.at(time.monotonic()))
        if self._command is not None:
            self._command.stop()
        deadline_s = time.monotonic() + FAREWELL_S
        for publisher in (*self._control, self._scale):  # those first that matter most
            left_s = max(0.0, deadline_s - time.monotonic())
            with contextlib.suppress(rclpy_implementation.RCLError):  # not every middleware can
                publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _tick(self) -> None:
        if not self._limit.floor_received:
            self._limit.floor_received = self._hearing.is_over(time.monotonic())
        self._inputs.look_around()
        self._send(self._limit.at(time.monotonic()))
        if self._command is not None:
            self._command.tick()

    def _on_heard(self) -> None:
        limit = self._limit.at(time.monotonic())
        if limit.percent < self._sent.percent:
            self._send(limit)
        if self._command is not None:
            self._command.slow_down()

    def _share(self) -> float:
        return self._limit.at(time.monotonic()).percent / FULL_PERCENT

    def _send(self, limit: Limit) -> None:
        turned = limit.reason != self._sent.reason
        self._sent = limit
        share = limit.percent / FULL_PERCENT
        if self._speed_limit is not None:
            message = SpeedLimitMessage(header=self._header())
            message.percentage = self._settings.unit == 'percentage'
            max_speed_mps = self._settings.limit.max_speed_mps
            message.speed_limit = limit.percent if message.percentage else share * max_speed_mps
            self._speed_limit.publish(message)
        self._scale.publish(Float32(data=share))
        if turned:
            self._report()

    def _report(self) -> None:
        report = self._judge(self._sent)
        self._log.write(report)
        self._publish(report)

    def _publish(self, report: Status) -> None:
        name = f'{self.get_fully_qualified_name().lstrip("/")}: speed limit'
        message = status_message(name, report, self._inputs.rate_topic)
        self._diagnostics.publish(DiagnosticArray(header=self._header(), status=[message]))

    def _judge(self, limit: Limit) -> Status:
        problems = [(LEVELS[limit.reason], limit.text)]
        if silence := self._inputs.silence():
            problems.append((OK, silence))
        if self._command is not None and (problem := self._command.problem()):
            problems.append((ERROR, problem))
        if SpeedLimitMessage is None:
            problems.append((WARN, NO_NAV2))
        problems += self._unlistened()
        level = max(level for level, _ in problems)
        message = f'{limit.reason}: {"; ".join(text for _, text in problems)}'
        return Status(level, message, self._values(limit))

    def _unlistened(self) -> list[tuple[int, str]]:
        """Say who should listen and does not, a warning only where nobody listens to anything."""
        alone = [one for one in self._control if not one.get_subscription_count()]
        level = OK
        if len(alone) == len(self._control) and not self._scale.get_subscription_count():
            alone.append(self._scale)
            level = WARN
        return [(level, f'nobody listens on {one.topic_name}') for one in alone]

    def _values(self, limit: Limit) -> dict[str, str]:
        age_s, rate = self._limit.age_s(time.monotonic()), self._limit.rate
        return {
            'limit_percent': f'{limit.percent:.4g}',
            'reason': limit.reason,
            'adaptive_rate': 'unknown' if rate is None else f'{rate:.4g}',
            'input_age_s': 'unknown' if age_s is None else f'{age_s:.3f}',
            'input_topic': self._inputs.rate_topic,
            'input_publishers': str(self._inputs.publishers()),
            'up_s': f'{time.monotonic() - self._started_s:.1f}',
            'faults': str(self._limit.faults),
            **{f'source {name}': f'{zone:.4g}' for name, zone in self._limit.zones.items()},
            **({} if self._command is None else self._command.values()),
        }

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg())


def read_settings(node: Node) -> GovernorSettings:
    """Declare the parameters and read them, once.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    settings = declare.read_settings(node, GovernorSettings)
    for topic in settings.limit_sources:
        try:
            validate_full_topic_name(expand_topic_name(topic, 'node', '/'))
        except (NameValidationException, ValueError) as err:
            raise EevitError(
                f"parameter 'limit_sources' must be a list of topics. Got {topic!r}: {err}"
            ) from err
    return settings


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
        node.say_farewell()
        executor.shutdown()
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main())
