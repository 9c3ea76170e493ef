"""How many of the images that were played were answered, and what became of the others."""

from __future__ import annotations

from collections import Counter

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile

DEPTH = 1000


class Answers:
    """Listens to the classifier's record of each frame while images are played.

    Attributes:
        topic: Full name of the records' topic.
        stamps: Stamps of the answered images, nanoseconds, and how many had each: not every driver
            sets them.
    """

    def __init__(self, node: Node, topic: str) -> None:
        """Subscribe; the node must be spun."""
        self._node = node
        self.topic: str = node.resolve_topic_name(topic)
        self.stamps: Counter[int] = Counter()
        self._drops: list[int] = []  # that the classifier has counted, with the first and the last
        node.create_subscription(
            DiagnosticArray, self.topic, self._on_frame, QoSProfile(depth=DEPTH)
        )

    def outcome(self, played: Counter[int]) -> tuple[str, str]:
        """Return what became of the images with these stamps, and a warning, '' for none.

        Both are '' where nobody is there to answer.
        """
        answered = (self.stamps & played).total()
        if not answered and not self._node.count_publishers(self.topic):
            return '', ''
        return self.outcome_of(played.total(), answered)

    def outcome_of(self, images: int, answered: int) -> tuple[str, str]:
        """Return what became of so many images of which so many were answered, and a warning."""
        first, last = (self._drops[0], self._drops[-1]) if self._drops else (0, 0)
        # A classifier that runs for longer has dropped others before.
        dropped = min(last - first if first > images else last, images - answered)
        text = (
            f'{answered} answered on {self.topic}, {dropped} dropped by the classifier as too many'
        )
        lost = images - answered - dropped
        warning = (
            f'{lost} of {images} images were neither answered nor dropped: lost on the way '
            '(give player and classifier the Fast DDS profile of docs/robot.md and enough '
            '/dev/shm, or play at a lower rate), unreadable (see the log of the classifier), or '
            'without detections where it has `regions`'
        )
        return text, warning if lost else ''

    def _on_frame(self, message: DiagnosticArray) -> None:
        stamp = message.header.stamp
        values = {item.key: item.value for status in message.status for item in status.values}
        self.stamps[stamp.sec * 1_000_000_000 + stamp.nanosec] += 1
        self._drops = [*self._drops[:1], int(values.get('drops', 0))]
