"""The node `speed_governor`: from the adaptive rate to what navigation obeys.

A process of its own, because only another process survives a crash of the classifier.
"""

from __future__ import annotations

import sys
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from std_msgs.msg import Header

from eevit_ros.errors import EevitError
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.declare import read_settings
from eevit_ros.nodes.governor.inputs import NO_NAV2, LimitInputs, SpeedLimitMessage
from eevit_ros.nodes.governor.outputs import LimitOutputs
from eevit_ros.nodes.governor.partner import Partner, partner_name
from eevit_ros.nodes.governor.turn import Turn
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED, SPIN_S
from eevit_ros.nodes.ros_topics import qos_profile, resolved
from eevit_ros.nodes.status_log import StatusLog, status_message
from eevit_ros.parameters.governor import GovernorSettings
from eevit_ros.parameters.topics import GOVERNOR_DIAGNOSTICS, RATE_INPUT, SPEED_LIMIT
from eevit_ros.perception.status import DISCOVERY_S, ERROR, OK, WARN, Status
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
)
from eevit_ros.speed.lowest_limit import LowestLimit

STATUS_PERIOD_S = 1.0
STANDBY = 'standby'  # in place of the limit's reason

LEVELS = {
    **dict.fromkeys((FRESH, DEEP, SOURCE, RISING), OK),
    **dict.fromkeys((STARTUP, RECOVERING, SHUTDOWN), WARN),
    **dict.fromkeys((STALE, WRONG), ERROR),
}


class SpeedGovernor(Node):
    """Publishes the limit at a fixed rate from start to end, and at once when it falls.

    One of a pair publishes only while it speaks; see `turn`.
    """

    _partner: Partner | None = None

    def __init__(self) -> None:
        """Read the parameters, subscribe, and publish the floor.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('speed_governor')
        settings = read_settings(self, GovernorSettings)
        output = self.resolve_topic_name(SPEED_LIMIT.name)
        sources = resolved(self, 'limit_sources', settings.limit_sources)
        if output in sources:
            raise EevitError(
                f"parameter 'limit_sources' names {output}, on which this node publishes: remap "
                'the other source to a topic of its own and name that one'
            )
        if SpeedLimitMessage is None:
            self.get_logger().warning(NO_NAV2)
            sources = []
        partner = partner_name(self, settings.pair)
        rates = resolved(self, 'rate_sources', settings.rate_sources or [RATE_INPUT.name])
        self._limit = LowestLimit(settings.limit, rates, sources)
        self._stale_after_s = settings.limit.stale_after_s
        self._sent = Limit(FULL_PERCENT, STARTUP, '')
        self._started_s = time.monotonic()
        self._outputs = LimitOutputs(self, settings, share=self._share, may_speak=self._may_speak)
        self._inputs = LimitInputs(
            self,
            self._limit,
            sources=sources,
            output=output,
            partner=partner,
            on_message=self._on_message,
        )
        self._diagnostics = self.create_publisher(
            DiagnosticArray, GOVERNOR_DIAGNOSTICS.name, qos_profile(GOVERNOR_DIAGNOSTICS)
        )
        self._log = StatusLog(self.get_logger(), self._inputs.rate_topics)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / settings.publish_hz, self._tick, clock=steady)
        self.create_timer(STATUS_PERIOD_S, self._report, clock=steady)
        if partner:
            turn = Turn(
                is_first=self.get_name() == settings.pair[0],
                takeover_after_s=settings.takeover_after_s,
                now_s=time.monotonic(),
            )
            self._partner = Partner(
                self, partner, turn, self._limit, settings, clock=steady, on_turn=self._on_turn
            )
        self._tick()
        self._publish(self._status())
        self.get_logger().info(f'waiting for the adaptive rate on {self._inputs.rate_topics}')

    def say_farewell(self) -> None:
        """Publish the floor as the last limit and wait, a bounded time, until it is received."""
        if self._partner is not None and self._partner.turn.does_other_speak():
            return
        self._limit.shut_down()
        self._set(self._limit.at(time.monotonic()), anyway=True)
        self._outputs.say_farewell()

    def _may_speak(self) -> bool:
        return self._partner is None or self._partner.turn.may_speak(time.monotonic())

    def _on_turn(self, say_floor: bool) -> None:
        """Start over: this one takes the word, or gives it up and may take it again."""
        assert self._partner is not None
        self._limit.start_over(f'{self._partner.name} does not speak')
        self._outputs.start_over()
        self._set(self._limit.at(time.monotonic()), anyway=say_floor)
        if self._outputs.command is not None:
            self._outputs.command.slow_down()
        self._report()

    def _tick(self) -> None:
        if not self._limit.floor_received and self._may_speak():
            self._limit.floor_received = self._outputs.floor_received()
        self._inputs.check_publishers()
        self._set(self._limit.at(time.monotonic()))
        if self._outputs.command is not None:
            self._outputs.command.tick()

    def _on_message(self) -> None:
        limit = self._limit.at(time.monotonic())
        if limit.percent < self._sent.percent:
            self._set(limit)
        if self._outputs.command is not None:
            self._outputs.command.slow_down()

    def _share(self) -> float:
        return self._limit.at(time.monotonic()).percent / FULL_PERCENT

    def _set(self, limit: Limit, *, anyway: bool = False) -> None:
        turned = limit.reason != self._sent.reason
        self._sent = limit
        if anyway or self._may_speak():
            self._outputs.publish(limit)
        if turned:
            self._report()

    def _report(self) -> None:
        status = self._status()
        if self._sent.reason != STARTUP or self._up_s() > DISCOVERY_S:
            self._log.write(status)
        self._publish(status)

    def _up_s(self) -> float:
        return time.monotonic() - self._started_s

    def _publish(self, status: Status) -> None:
        name = f'{self.get_fully_qualified_name().lstrip("/")}: speed limit'
        header = Header(stamp=self.get_clock().now().to_msg())
        message = status_message(name, status, self._inputs.rate_topics)
        self._diagnostics.publish(DiagnosticArray(header=header, status=[message]))

    def _status(self) -> Status:
        limit = self._sent
        partner = self._partner
        if partner is not None and not partner.turn.speaks:
            speaks = 'speaks' if partner.turn.does_other_speak() else 'is not heard yet'
            text = f'{STANDBY}: {partner.name} {speaks}'
            age_s = self._limit.age_s(time.monotonic())
            if self._up_s() <= DISCOVERY_S or age_s is not None and age_s < self._stale_after_s:
                return Status(OK, text, self._values(limit))
            text += f', but no adaptive rate comes on {self._inputs.rate_topics}'
            return Status(WARN, text, self._values(limit), ((WARN, text),))
        problems = [(LEVELS[limit.reason], limit.text)]
        if partner is not None and partner.turn.is_other_there() and partner.differs:
            text = f'{partner.name} has other parameters, so the robot would drive otherwise with'
            problems.append((WARN, f'{text} it: give both the same'))
        if partner is not None and not partner.turn.is_other_there() and self._up_s() > DISCOVERY_S:
            problems.append((WARN, f'{partner.name} is not there to take over'))
        if missing := self._inputs.missing_publisher():
            problems.append((OK, missing))
        problems += self._outputs.problems()
        level = max(level for level, _ in problems)
        message = f'{limit.reason}: {"; ".join(text for _, text in problems)}'
        return Status(level, message, self._values(limit), tuple(problems))

    def _values(self, limit: Limit) -> dict[str, str]:
        age_s, rate = self._limit.age_s(time.monotonic()), self._limit.rate
        return {
            'limit_percent': f'{limit.percent:.4g}',
            'reason': limit.reason,
            'adaptive_rate': 'unknown' if rate is None else f'{rate:.4g}',
            'input_age_s': 'unknown' if age_s is None else f'{age_s:.3f}',
            'input_topic': self._inputs.rate_topics,
            'input_publishers': self._inputs.publishers(),
            'up_s': f'{self._up_s():.1f}',
            'faults': str(self._limit.faults),
            **{f'source {name}': f'{zone:.4g}' for name, zone in self._limit.zones.items()},
            **({} if self._outputs.command is None else self._outputs.command.values()),
            **({} if self._partner is None else self._partner.values()),
        }


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns:
        The exit code: 0, or 2 if a parameter is wrong.
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
