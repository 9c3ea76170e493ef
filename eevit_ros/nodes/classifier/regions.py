"""The detector of one camera: its boxes come in, and each waits for its image."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from geometry_msgs.msg import PoseWithCovariance
from rclpy.lifecycle import LifecycleNode
from vision_msgs.msg import Detection2DArray, ObjectHypothesis, ObjectHypothesisWithPose

from eevit_ros.images.mounting import Mounting
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.ros_topics import qos_profile
from eevit_ros.nodes.topic_watch import TopicWatch
from eevit_ros.parameters.topics import DETECTIONS
from eevit_ros.perception.process_stall import ProcessStall
from eevit_ros.perception.statistics import PublisherCount
from eevit_ros.perception.status import Status
from eevit_ros.regions.classify import Region, RegionClassifier, answer, read_detections
from eevit_ros.regions.counts import Counts
from eevit_ros.regions.pairing import Key, Pairing
from eevit_ros.regions.settings import RegionSettings


class Regions:
    """Subscribes to the detections of a camera and classifies what they box.

    `classify` is for the inference thread; images may come from any.
    """

    def __init__(
        self,
        node: LifecycleNode,
        camera: str,
        engine: Engine,
        settings: RegionSettings,
        stall: ProcessStall,
        show: Callable[[Frame], object],
    ) -> None:
        """Prepare to `open`.

        Args:
            node: Its executor calls back.
            camera: Name of the camera; '' of the only one.
            engine: The model.
            settings: How regions are classified.
            stall: Tells whether messages had to wait for this process.
            show: Takes each frame that has its detections.
        """
        self._node = node
        self._stall = stall
        self._show = show
        self._classifier = RegionClassifier(engine, settings)
        self._counts = Counts()
        self._pairing: Pairing[Frame, Detection2DArray] = Pairing(
            settings.regions_wait_s, time.monotonic()
        )
        self._camera = camera
        topic = DETECTIONS.of(camera)
        self._topic: str = node.resolve_topic_name(topic.name)
        self._qos = qos_profile(topic)
        self._watch = TopicWatch(node, self._topic, topic.types[0], self._qos)

    def open(self) -> None:
        """Subscribe now."""
        self._subscription = self._node.create_subscription(
            Detection2DArray, self._topic, self._on_detections, self._qos
        )
        self._node.get_logger().info(f'classifying the boxes on {self._topic}')

    def change(self, settings: RegionSettings) -> None:
        """Apply changed live parameters."""
        self._classifier.settings = settings

    def picture(self, frame: Frame) -> None:
        """Let a frame wait for its detections."""
        if frame.useless_stamps or frame.stamp_ns == 0:
            error = 'the stamp of the image tells no time, so no detections can be found for it'
            frame = replace(frame, error=frame.error or error)
        if frame.error:
            self._show(frame)
        elif found := self._pairing.picture(_key(frame.header), frame, time.monotonic()):
            self._show(replace(frame, detections=found))

    def close(self) -> None:
        """Take no more detections."""
        self._node.destroy_subscription(self._subscription)
        del self._subscription  # it refers back to this object

    def classify(
        self,
        image: Image,
        message: Detection2DArray,
        mounting: Mounting,
        class_ids: Sequence[str],
        top_k: int,
    ) -> list[Region]:
        """Classify the boxes of an image and put the classes into the detector's message.

        See `RegionClassifier.classify` and `answer`.

        Raises:
            EevitError: The model fails.
        """
        regions = self._classifier.classify(image, read_detections(message), mounting)
        self._counts.take(regions)
        answer(message, regions, class_ids, top_k, _hypothesis)
        return regions

    def report(self, status: Status, stale_after_s: float, received_s: float) -> Status:
        """Return a camera's status with what is to be said of its regions.

        Args:
            status: The status.
            stale_after_s: When images and detections are missed, seconds.
            received_s: When the last image came, steady clock, seconds.
        """
        now_s = time.monotonic()
        return self._counts.report(
            status,
            now_s,
            pairing=self._pairing,
            publishers=PublisherCount(
                self._topic, self._watch.count(), self._watch.unheard(), camera=self._camera
            ),
            settings=self._classifier.settings,
            stale_after_s=stale_after_s,
            images_come=now_s - received_s <= stale_after_s,
        )

    def _on_detections(self, message: Detection2DArray) -> None:
        now_s = time.monotonic()
        waited = self._stall.update(now_s)
        if frame := self._pairing.detections(_key(message.header), message, now_s):
            self._show(replace(frame, detections=message, waited=frame.waited or waited))


def _hypothesis(class_id: str, score: float, pose: Any) -> ObjectHypothesisWithPose:
    """Return a class with its probability, at the detector's pose or at none."""
    return ObjectHypothesisWithPose(
        hypothesis=ObjectHypothesis(class_id=class_id, score=score),
        pose=PoseWithCovariance() if pose is None else pose,
    )


def _key(header: Any) -> Key:
    return Key(header.stamp.sec * 1_000_000_000 + header.stamp.nanosec, header.frame_id)
