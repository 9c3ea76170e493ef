"""A bag's detections on their way to the classifier: as recorded, each at its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rclpy.node import Node
from rclpy.qos import QoSProfile

from eevit_ros.errors import EevitError
from eevit_ros.nodes.ros_topics import message_class
from eevit_ros.parameters.topics import DETECTIONS
from eevit_ros.recordings.source import Source

if TYPE_CHECKING:
    from eevit_ros.recordings.bag.messages import Recorded

QOS = QoSProfile(depth=50)
LATEST_NS = 10_000_000_000  # after the last image, a detector has answered by then


class PlayedDetections:
    """Publishes a bag's topics of detections on `regions`, or on `<camera>/regions`.

    Attributes:
        publishers: By camera.
    """

    def __init__(self, node: Node, topics: Mapping[str, str]) -> None:
        """Create the publishers.

        Args:
            node: That publishes.
            topics: Topic of each camera's detections, of the only one by ''.
        """
        self._topics = topics
        kind = message_class(DETECTIONS.types[0]) if topics else None
        self.publishers = {
            camera: node.create_publisher(kind, DETECTIONS.of(camera).name, QOS)
            for camera in topics
        }
        self._waiting: deque[tuple[str, Recorded]] = deque()

    def open(self, source: Source) -> None:
        """Read the detections of a recording.

        Raises:
            EevitError: It is no bag, or has no such topic.
        """
        if not self._topics:
            return
        # The node also starts, and says so, where what reads bags is not installed.
        from eevit_ros.recordings.bag.source import BagSource
        from eevit_ros.recordings.cameras import by_camera

        sources = by_camera(source)
        found = []
        for camera, topic in self._topics.items():
            bag = sources.get(camera)
            if not isinstance(bag, BagSource):
                of_camera = f' of {camera!r}' if camera else ''
                raise EevitError(
                    "parameter 'detections' must name a topic of a bag, of cameras that 'topic' "
                    f'names, too. Got {topic!r}{of_camera}'
                )
            found += [(camera, one) for one in bag.detections(topic).values()]
        self._waiting.extend(sorted(found, key=lambda pair: pair[1].log_ns))

    def until(self, time_ns: int) -> Iterator[int]:
        """Yield the time of each message up to one, and publish it when asked for the next.

        Args:
            time_ns: By the recorder's clock, nanoseconds.
        """
        while self._waiting and self._waiting[0][1].log_ns <= time_ns:
            from eevit_ros.recordings.bag.messages import cdr_of

            camera, one = self._waiting.popleft()
            yield one.log_ns
            # As it is: reading and writing it again would take as long as the node does.
            self.publishers[camera].publish(cdr_of(one))
