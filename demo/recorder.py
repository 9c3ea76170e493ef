"""Listens to the node and to the player's truth, and keeps their messages."""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Float32
from vision_msgs.msg import Classification, LabelInfo

from demo.bag import TRUTH_TOPIC
from demo.errors import DemoError
from demo.records import FrameRecord, Join

CLASSIFIER = '/classifier'
QUEUE = 1000  # holds the whole recording: nothing may be lost on this side
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Listener(Node):
    """Subscribes to what every report needs.

    Attributes:
        rates: Adaptive rate as received: seconds on the system clock, rate.
        active: Whether the node is: it says so by publishing its class names.
        facts: Values of the node's last diagnostics: model, provider, ...
    """

    def __init__(self) -> None:
        """Subscribe."""
        super().__init__('demo_recorder')
        self.rates: list[tuple[float, float]] = []
        self.active = False
        self.facts: dict[str, str] = {}
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
            rclpy.spin_once(self, timeout_sec=0.1)

    def _on_rate(self, message: Float32) -> None:
        self.rates.append((time.time(), message.data))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if CLASSIFIER.strip('/') in status.name:
                self.facts.update({pair.key: pair.value for pair in status.values})

    def _on_label_info(self, _: LabelInfo) -> None:
        self.active = True


class Recorder(Listener):
    """Subscribes to all that the report of frames needs.

    Attributes:
        join: The frame records so far.
    """

    def __init__(self, on_record: Callable[[FrameRecord], None]) -> None:
        """Subscribe; `on_record` is called with each frame once all is known about it."""
        super().__init__()
        self.join = Join()
        self._on_record = on_record
        self.create_subscription(Classification, TRUTH_TOPIC, self._on_truth, QUEUE)
        self.create_subscription(
            Classification, f'{CLASSIFIER}/classification', self._on_classification, QUEUE
        )
        self.create_subscription(DiagnosticArray, f'{CLASSIFIER}/frame', self._on_frame, QUEUE)

    def _on_truth(self, message: Classification) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._take(self.join.truth(stamp_ns, message.results[0].class_id))

    def _on_classification(self, message: Classification) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._take(self.join.label(stamp_ns, message.results[0].class_id))

    def _on_frame(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        self._take(self.join.values(nanoseconds(message.header.stamp), values))

    def _take(self, record: FrameRecord | None) -> None:
        if record is not None:
            self._on_record(record)


def nanoseconds(stamp: Time) -> int:
    """Return a stamp as a whole number."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
