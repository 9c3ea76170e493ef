"""Listens to the node and to the player's truth, and keeps their messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Float32
from vision_msgs.msg import LabelInfo

from demo.errors import DemoError
from demo.records import Join, Record, Shown
from harness.command import stop_held_back

CLASSIFIER = '/classifier'
QUEUE = 1000  # holds the whole recording: nothing may be lost on this side
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Recorder(Node, Generic[Shown, Record]):
    """Subscribes to everything a report needs.

    Attributes:
        join: The records so far.
        rates: Adaptive rate as received: seconds on the system clock, rate.
        active: Whether the node is: it says so by publishing its class names.
        facts: Values of the node's last diagnostics: model, provider, ...
    """

    def __init__(
        self,
        kind: type[Any],
        truths: str,
        answers: str,
        *,
        read: Callable[[Any], Shown],
        join: Join[Shown, Record],
        line: Callable[[Record, int], str],
    ) -> None:
        """Subscribe.

        Args:
            kind: Type of the messages of truth and answers.
            truths: The player's topic.
            answers: The node's topic, without the node's name.
            read: Returns what a message says.
            join: Makes records of what truths and answers say.
            line: Returns what to print of a record, given the first stamp, nanoseconds.
        """
        super().__init__('demo_recorder')
        self.join = join
        self.rates: list[tuple[float, float]] = []
        self.active = False
        self.facts: dict[str, str] = {}
        self._read, self._line = read, line
        self.create_subscription(kind, truths, self._on_truth, QUEUE)
        self.create_subscription(kind, f'{CLASSIFIER}/{answers}', self._on_answer, QUEUE)
        self.create_subscription(DiagnosticArray, f'{CLASSIFIER}/frame', self._on_frame, QUEUE)
        self.create_subscription(Float32, f'{CLASSIFIER}/adaptive_rate', self._on_rate, QUEUE)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, QUEUE)
        self.create_subscription(
            LabelInfo, f'{CLASSIFIER}/label_info', self._on_label_info, LATCHED
        )

    def spin_until(
        self, done: Callable[[], bool], timeout_s: float, what: str, check: Callable[[], None]
    ) -> None:
        """Handle messages until `done`; `check` is called between them and may raise.

        Raises:
            DemoError: `timeout_s` went by before `what` happened.
        """
        give_up_s = time.monotonic() + timeout_s
        while not done():
            check()
            if time.monotonic() > give_up_s:
                raise DemoError(f'timed out after {timeout_s:.0f} s waiting for {what}')
            with stop_held_back():
                rclpy.spin_once(self, timeout_sec=0.1)

    def _on_truth(self, message: Any) -> None:
        self._take(self.join.truth(_nanoseconds(message.header.stamp), self._read(message)))

    def _on_answer(self, message: Any) -> None:
        self._take(self.join.answer(_nanoseconds(message.header.stamp), self._read(message)))

    def _on_frame(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        self._take(self.join.values(_nanoseconds(message.header.stamp), values))

    def _on_rate(self, message: Float32) -> None:
        self.rates.append((time.time(), message.data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if CLASSIFIER.strip('/') in status.name:
                self.facts.update({pair.key: pair.value for pair in status.values})

    def _on_label_info(self, _: LabelInfo) -> None:
        self.active = True

    def _take(self, record: Record | None) -> None:
        if record is not None:
            print(self._line(record, self.join.stamps[0]), flush=True)


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
