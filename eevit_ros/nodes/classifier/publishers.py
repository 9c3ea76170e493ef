"""The topics that the node publishes on; all silent while it is not active."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Float32, Header, UInt8
from vision_msgs.msg import Classification, LabelInfo

from eevit_ros.images.resize import Image
from eevit_ros.model.engine import ExitResult
from eevit_ros.nodes.classifier import messages
from eevit_ros.nodes.classifier.annotate import annotate
from eevit_ros.perception.frame_record import FrameRecord
from eevit_ros.perception.status import Report

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Outputs:
    """Lifecycle publishers of one node, for the executor's and the inference thread."""

    def __init__(self, node: LifecycleNode) -> None:
        """Create the publishers; the node's activation enables them."""
        self._node = node
        self._source: str = node.get_fully_qualified_name().lstrip('/')

        def publisher(message_type: Any, topic: str, qos: QoSProfile | int = 10) -> Any:
            return node.create_lifecycle_publisher(message_type, topic, qos)

        self._classification = publisher(Classification, '~/classification')
        self._exit_layer = publisher(UInt8, '~/exit_layer')
        self._rate = publisher(Float32, '~/adaptive_rate')
        self._frame = publisher(DiagnosticArray, '~/frame')
        self._label_info = publisher(LabelInfo, '~/label_info', LATCHED)
        self._annotated = publisher(CompressedImage, '~/annotated/compressed', 1)
        self._diagnostics = publisher(DiagnosticArray, '/diagnostics')

    def send_answer(
        self,
        header: Header,
        result: ExitResult,
        record: FrameRecord,
        classification: Classification,
    ) -> None:
        """Publish a frame's answer under the image's header; its rate goes out by `send_rate`."""
        self._classification.publish(classification)
        self._exit_layer.publish(UInt8(data=result.exit_layer))
        self._frame.publish(messages.frame(header, self._source, result, record))

    def send_rate(self, rate: float) -> None:
        """Publish the adaptive rate."""
        self._rate.publish(Float32(data=rate))

    def send_annotated(self, header: Header, image: Image, result: ExitResult, rate: float) -> None:
        """Draw and publish the picture for people, if there is anybody to look."""
        if self._annotated.get_subscription_count() > 0:
            self._annotated.publish(messages.jpeg(header, annotate(image, result, rate)))

    def send_label_info(self, names: tuple[str, ...]) -> None:
        """Publish the class names, kept for whoever comes later."""
        self._label_info.publish(messages.label_info(self._now(), names))

    def send_report(self, report: Report, hardware_id: str) -> None:
        """Publish the node's own status."""
        source = f'{self._source}: perception'
        self._diagnostics.publish(messages.diagnostics(self._now(), source, report, hardware_id))

    def _now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())
