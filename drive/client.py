"""The robot's end of the ROS network: camera out, answers and speed limit in."""

from __future__ import annotations

import time
from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.msg import SpeedLimit
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

from drive.errors import DriveError
from drive.journey import Answer
from drive.robot import FLOOR, SpeedRule
from drive.scene.pictures import Image as Pixels

# Reliable, volatile: what Nav2's controller server subscribes with.
LIMIT_QOS = QoSProfile(depth=10)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
QUEUE = 100
NODE = 'drive'
ANSWER_TIMEOUT_S = 1.0  # an image may be lost on its way
TRIES = 30
REST_S = 0.5  # longer than `rate.stale_after_s`


class Client(Node):
    """Plays camera, controller and listener of one robot, in the namespace of its nodes.

    Attributes:
        active: Whether the classifier is: it says so by publishing its class names.
        rule: What navigation makes of the last speed limit.
        limit_percent: The last speed limit.
        facts: Model, provider, ... as the classifier's diagnostics name them.
    """

    def __init__(self, namespace: str, check: Callable[[], None]) -> None:
        """Subscribe; `check` is called while waiting and may raise."""
        super().__init__(NODE, namespace=namespace)
        self.active = False
        self.rule = SpeedRule()
        self.limit_percent = 100.0
        self.facts: dict[str, str] = {}
        self._check = check
        self._answers: list[tuple[int, Answer]] = []
        self._source = f'{namespace}/classifier: perception'.strip('/')
        self._sent_s = self._floor_since_s = time.monotonic()
        self._executor = SingleThreadedExecutor()  # kept: to add a node to one takes a while
        self._executor.add_node(self)
        self._camera = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.create_subscription(DiagnosticArray, 'classifier/frame', self._on_frame, QUEUE)
        self.create_subscription(SpeedLimit, 'speed_limit', self._on_limit, LIMIT_QOS)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, QUEUE)
        self.create_subscription(LabelInfo, 'classifier/label_info', self._on_label_info, LATCHED)

    def send(self, pixels: Pixels) -> int:
        """Publish a frame, stamped with the current time; return the stamp in nanoseconds."""
        message = Image(encoding='rgb8', height=pixels.shape[0], width=pixels.shape[1])
        message.step = 3 * message.width
        message.data.frombytes(pixels.tobytes())
        message.header.frame_id = 'camera'
        stamp_ns = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._camera.publish(message)
        self._sent_s = time.monotonic()
        return stamp_ns

    def answers(self) -> list[tuple[int, Answer]]:
        """Return stamps and answers that came since the last call."""
        answers, self._answers = self._answers, []
        return answers

    def ask(self, pixels: Pixels) -> Answer:
        """Send a frame until it is answered; return the answer."""
        for _ in range(TRIES):
            stamp_ns = self.send(pixels)
            give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
            while time.monotonic() < give_up_s:
                self._executor.spin_once(timeout_sec=ANSWER_TIMEOUT_S)
                for stamp, answer in self.answers():
                    if stamp == stamp_ns:
                        return answer
            self._check()
        raise DriveError(f'the classifier did not answer a frame that was sent {TRIES} times')

    def spin_to(self, due_s: float) -> None:
        """Handle messages until a time of the steady clock, one at least when it has passed."""
        self._check()
        self._executor.spin_once(timeout_sec=max(0.0, due_s - time.monotonic()))
        while (left_s := due_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def spin_until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Handle messages until `done`.

        Raises:
            DriveError: `timeout_s` went by before `what` happened.
        """
        give_up_s = time.monotonic() + timeout_s
        while not done():
            self._check()
            if time.monotonic() > give_up_s:
                raise DriveError(f'timed out after {timeout_s:.0f} s waiting for {what}')
            self._executor.spin_once(timeout_sec=0.1)

    def is_at_rest(self) -> bool:
        """Whether the limit has been at the floor for a while, with no frame on its way."""
        rested_s = time.monotonic() - max(self._sent_s, self._floor_since_s)
        return self.limit_percent <= 100 * FLOOR + 0.01 and rested_s > REST_S

    def _on_frame(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        stamp = message.header.stamp
        try:
            answer = Answer(
                label=values['label'],
                depth=float(values['depth']),
                confidence=float(values['confidence']),
                age_s=float(values['age_ms']) * 1e-3,
            )
        except (KeyError, ValueError) as err:
            raise DriveError(f"the node's frame record has unexpected values: {err}") from err
        self._answers.append((stamp.sec * 1_000_000_000 + stamp.nanosec, answer))

    def _on_limit(self, message: SpeedLimit) -> None:
        self.rule.limit(message.speed_limit, is_percent=message.percentage)
        if message.speed_limit > 100 * FLOOR + 0.01:
            self._floor_since_s = time.monotonic()
        self.limit_percent = message.speed_limit

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._source:
                self.facts.update({pair.key: pair.value for pair in status.values})

    def _on_label_info(self, _: LabelInfo) -> None:
        self.active = True
