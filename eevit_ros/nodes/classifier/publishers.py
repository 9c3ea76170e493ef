"""What the node publishes: its publishers, and the messages made of plain results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32, Header, UInt8
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionClass

from eevit_ros.images.resize import Image
from eevit_ros.model.engine import ExitResult
from eevit_ros.nodes.classifier.annotate import annotate
from eevit_ros.nodes.ros_topics import message_class, qos_profile
from eevit_ros.nodes.status_log import status_message
from eevit_ros.parameters import topics
from eevit_ros.perception.perception import FrameRecord
from eevit_ros.perception.status import OK, Status
from eevit_ros.regions.classify import Region


class Publishers:
    """Lifecycle publishers of one camera, for the executor's and the inference thread.

    All are silent while the node is inactive.
    """

    def __init__(self, node: LifecycleNode, camera: str = '') -> None:
        """Create the publishers of a camera, '' for the only one; the node's activation enables."""
        self._node = node
        name: str = node.get_fully_qualified_name().lstrip('/')
        self._title = f'{name}: {camera} ' if camera else f'{name}: '
        self._classification = publisher(node, topics.CLASSIFICATION.of(camera))
        self._exit_layer = publisher(node, topics.EXIT_LAYER.of(camera))
        self._rate = publisher(node, topics.ADAPTIVE_RATE.of(camera))
        self._frame = publisher(node, topics.FRAME.of(camera))
        self._annotated = publisher(node, topics.ANNOTATED.of(camera))
        self._diagnostics = publisher(node, topics.DIAGNOSTICS)
        self._camera = camera
        self._regions: Any = None

    def send_answer(
        self,
        header: Header,
        image: Image,
        record: FrameRecord,
        class_ids: Sequence[str],
        top_k: int,
        regions: Sequence[Region] = (),
    ) -> None:
        """Publish a frame's answer under the image's header, where somebody subscribes.

        Its rate goes out by `send_rate`.

        Args:
            header: The image's header.
            image: The image, uint8 (H, W, 3) RGB.
            record: The answer.
            class_ids: What `class_id` holds, by class index.
            top_k: How many classes go out.
            regions: Its regions, drawn too.
        """
        result = record.result
        if _is_heard(self._classification):
            self._classification.publish(classification(header, result, class_ids, top_k))
        if _is_heard(self._exit_layer):
            self._exit_layer.publish(UInt8(data=result.exit_layer))
        if _is_heard(self._frame):
            self._frame.publish(frame(header, f'{self._title}frame', record))
        if _is_heard(self._annotated):
            boxes = [(one.rect, one.text) for one in regions if one.rect]
            drawn = annotate(image, result, record.adaptive_rate, boxes)
            self._annotated.publish(jpeg(header, drawn))

    def open_regions(self) -> None:
        """Create the publisher of regions, which not every node has; before activation."""
        if self._regions is None:
            self._regions = publisher(self._node, topics.REGIONS.of(self._camera))

    def send_regions(self, message: Any) -> None:
        """Publish a vision_msgs/Detection2DArray, after `open_regions`."""
        self._regions.publish(message)

    def send_rate(self, rate: float) -> None:
        """Publish the adaptive rate."""
        self._rate.publish(Float32(data=rate))

    def send_status(self, status: Status, hardware_id: str) -> None:
        """Publish the status on /diagnostics."""
        message = status_message(f'{self._title}perception', status, hardware_id)
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=[message]))


class CommonPublishers:
    """What the node publishes once, however many cameras it has: labels and the lowest rate.

    Attributes:
        cameras: Publishers of each camera by name; of the only one by ''.
    """

    def __init__(self, node: LifecycleNode, cameras: Sequence[str]) -> None:
        """Create the publishers; `cameras` names several, or none for the only one."""
        self._node = node
        self._label_info = publisher(node, topics.LABEL_INFO)
        self._rate: Any = publisher(node, topics.ADAPTIVE_RATE) if cameras else None
        self.cameras = {camera: Publishers(node, camera) for camera in cameras or ('',)}

    def send_label_info(self, names: Sequence[str]) -> None:
        """Publish the class names, latched for later subscribers."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._label_info.publish(label_info(header, names))

    def send_lowest_rate(self, rates: Iterable[float]) -> None:
        """Publish the lowest of the cameras' rates; the only one publishes its own there."""
        self._rate.publish(Float32(data=min(rates)))


def publisher(node: LifecycleNode, topic: topics.Topic) -> Any:
    """Create a lifecycle publisher."""
    kind = message_class(topic.types[0])
    return node.create_lifecycle_publisher(kind, topic.name, qos_profile(topic))


def _is_heard(publisher: Any) -> bool:
    """Return whether the middleware has matched a subscription, before which nothing arrives."""
    heard: bool = publisher.get_subscription_count() > 0
    return heard


def classification(
    header: Header, result: ExitResult, class_ids: Sequence[str], top_k: int
) -> Classification:
    """Return the `top_k` most probable classes, best first, named by `class_ids`."""
    results = [
        ObjectHypothesis(class_id=class_ids[index], score=score)
        for index, score in result.top(top_k)
    ]
    return Classification(header=header, results=results)


def frame(header: Header, title: str, record: FrameRecord) -> DiagnosticArray:
    """Return the stamped record of one frame; `title` is the name of its status."""
    status = Status(OK, record.result.class_name, record.values())
    message = status_message(title, status, header.frame_id)
    return DiagnosticArray(header=header, status=[message])


def label_info(header: Header, names: Sequence[str]) -> LabelInfo:
    """Return the class names by index."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(names)]
    return LabelInfo(header=header, class_map=classes)


def jpeg(header: Header, data: bytes) -> CompressedImage:
    """Return a JPEG as a message."""
    message = CompressedImage(header=header, format='rgb8; jpeg compressed bgr8')
    message.data.frombytes(data)  # assigning bytes to `data` copies twice
    return message
