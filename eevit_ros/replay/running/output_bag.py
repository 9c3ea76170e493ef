"""A bag with the pictures and everything that both nodes would have published.

Written by `rosbags`: that needs no ROS, and any ROS 2 tool plays the bag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Connection

from eevit_ros.images.decoder import Decoder
from eevit_ros.images.picture_file import picture_format
from eevit_ros.images.resize import Image
from eevit_ros.images.settings import ImageSettings
from eevit_ros.parameters import topics
from eevit_ros.parameters.topics import CLASSIFIER_NODE, Topic
from eevit_ros.perception.perception import FrameRecord
from eevit_ros.perception.status import OK
from eevit_ros.recordings.bag.types import typestore
from eevit_ros.recordings.bag.writer import RawBag
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.regions.classify import Region, answer
from eevit_ros.replay.errors import ReplayError

NO_TOPIC = '/camera/image_raw'
QUALITY = 90
SHOWN_BY_VIEWERS = ('jpeg', 'png', 'webp')
TOPICS = (
    topics.CLASSIFICATION,
    topics.EXIT_LAYER,
    topics.ADAPTIVE_RATE,
    topics.FRAME,
    topics.LABEL_INFO,
    topics.SPEED_LIMIT,
)
# Of videos and pictures; Foxglove needs one.
FRAME_ID = 'camera'


def picture_topic(topic: str) -> str:
    """Return the topic of the pictures in the bag, given the image topic of the source."""
    topic = topic or NO_TOPIC
    return topic if topic.endswith('/compressed') else f'{topic}/compressed'


class OutputBag:
    """Writes one mcap bag; use it in a `with` statement.

    Messages may come a little out of order, as answers do that are older than the next picture:
    the index is by log time. All times are nanoseconds of the source's `received_ns`.
    """

    def __init__(
        self,
        path: Path,
        *,
        image_topics: Mapping[str, str],
        names: Sequence[str],
        class_ids: Sequence[str],
        top_k: int,
        images: Mapping[str, ImageSettings] = MappingProxyType({}),
        with_regions: bool = False,
    ) -> None:
        """Prepare to write.

        Args:
            path: Folder of the bag; it must not exist yet.
            image_topics: Topic of each camera's images, '' where it has none; of the only camera
                by ''.
            names: Names of the classes, by index.
            class_ids: Text of `class_id` for each class index.
            top_k: How many classes an answer names.
            images: How the images of each camera are read. Where they are cropped, turned or
                mirrored, pictures are written as the model saw them.
            with_regions: Whether there is the topic of regions.
        """
        # Of its own: a range that follows the images follows those that the model sees.
        self._decoders = {camera: Decoder(images.get(camera)) for camera in image_topics}
        self._path = path
        self._image_topics = {
            camera: picture_topic(topic) for camera, topic in image_topics.items()
        }
        self._names, self._class_ids, self._top_k = names, class_ids, top_k
        self._types = typestore()
        self._connections: dict[str, Connection] = {}
        self._named_classes = False
        self._topics = (*TOPICS, *([topics.REGIONS] if with_regions else []))

    def __enter__(self) -> OutputBag:
        """Create the bag and its topics.

        Raises:
            RecordingError: There is something at the path already.
        """
        self._bag = RawBag(self._path)
        kind = topics.IMAGE.types[1]
        for name in self._image_topics.values():
            self._connections[name] = self._bag.add(name, kind, latched=False)
        cameras = [camera for camera in self._image_topics if camera]
        for topic in topics.of_cameras(cameras, self._topics):
            self._connections[topic.full_name] = self._bag.add(
                topic.full_name, topic.types[0], latched=topic.latched
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write index and metadata."""
        self._bag.close()

    def picture(self, frame: SourceFrame, image: Image | None = None) -> None:
        """Write a frame when it arrived: a recorded JPEG, PNG or WebP unchanged, unless mounted.

        Args:
            frame: The recorded frame.
            image: The decoded frame, uint8 (H, W, 3) RGB; None decodes it.

        Raises:
            EevitError: It must be decoded to be written, and cannot be.
        """
        data, kind = frame.data, frame.format
        if self._decoders[frame.camera].mounting or kind not in SHOWN_BY_VIEWERS:
            # Of a file, `image` may be reduced.
            is_file = kind or picture_format(data)
            data = _jpeg(self._decoded(frame) if image is None or is_file else image)
            kind = 'jpeg'
        self._put(
            self._image_topics[frame.camera],
            frame.received_ns,
            header=self._header(frame.stamp_ns, frame.frame_id or FRAME_ID),
            format=kind,
            data=np.frombuffer(data, np.uint8),
        )

    def _decoded(self, frame: SourceFrame) -> Image:
        decoder = self._decoders[frame.camera]
        if hasattr(frame.message, 'encoding'):
            return decoder.image(frame.message)
        if hasattr(frame.message, 'format'):
            return decoder.compressed(frame.data, frame.message.format)
        if frame.format:
            return decoder.photo(frame.data, f'picture {frame.index}')
        return frame.decode()

    def answer(self, frame: SourceFrame, record: FrameRecord, time_ns: int) -> None:
        """Write what the node publishes of a frame, at its time; the rate is left to `limit`."""
        header, result = self._header(frame.stamp_ns, frame.frame_id or FRAME_ID), record.result
        self._put(
            topics.CLASSIFICATION.of(frame.camera),
            time_ns,
            header=header,
            results=[
                self._make(
                    'vision_msgs/msg/ObjectHypothesis',
                    class_id=self._class_ids[index],
                    score=score,
                )
                for index, score in result.top(self._top_k)
            ],
        )
        self._put(topics.EXIT_LAYER.of(frame.camera), time_ns, data=result.exit_layer)
        status = self._make(
            'diagnostic_msgs/msg/DiagnosticStatus',
            level=OK,
            name=f'{CLASSIFIER_NODE}: {frame.camera} frame'.replace('  ', ' '),
            message=result.class_name,
            hardware_id=header.frame_id,
            values=[
                self._make('diagnostic_msgs/msg/KeyValue', key=key, value=value)
                for key, value in record.values().items()
            ],
        )
        self._put(topics.FRAME.of(frame.camera), time_ns, header=header, status=[status])

    def rate(self, camera: str, time_ns: int, adaptive_rate: float) -> None:
        """Write the rate of one of several cameras, 0..1."""
        self._put(topics.ADAPTIVE_RATE.of(camera), time_ns, data=float(adaptive_rate))

    def regions(self, camera: str, message: Any, regions: Sequence[Region], time_ns: int) -> None:
        """Write what the node publishes of a detector's message: it, with the classes put in."""
        answer(message, regions, self._class_ids, self._top_k, self._hypothesis)
        topic = topics.REGIONS.of(camera)
        self._put(topic, time_ns, header=message.header, detections=message.detections)

    def _hypothesis(self, class_id: str, score: float, pose: Any) -> Any:
        hypothesis = self._make('vision_msgs/msg/ObjectHypothesis', class_id=class_id, score=score)
        if pose is None:
            pose = self._make(
                'geometry_msgs/msg/PoseWithCovariance',
                pose=self._make(
                    'geometry_msgs/msg/Pose',
                    position=self._make('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0),
                    orientation=self._make(
                        'geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0
                    ),
                ),
                covariance=np.zeros(36),
            )
        return self._make(
            'vision_msgs/msg/ObjectHypothesisWithPose', hypothesis=hypothesis, pose=pose
        )

    def limit(self, time_ns: int, adaptive_rate: float, percent: float) -> None:
        """Write what node and governor let the robot do: after each frame, and from their timers.

        Args:
            time_ns: When they say so.
            adaptive_rate: 0..1.
            percent: The speed limit; 100 is full speed.
        """
        self._put(topics.ADAPTIVE_RATE, time_ns, data=float(adaptive_rate))
        self._put(
            topics.SPEED_LIMIT,
            time_ns,
            header=self._header(time_ns, frame_id=''),
            percentage=True,
            speed_limit=float(percent),
        )

    def _put_label_info(self, time_ns: int) -> None:
        classes = [
            self._make('vision_msgs/msg/VisionClass', class_id=index, class_name=name)
            for index, name in enumerate(self._names)
        ]
        header = self._header(time_ns, frame_id='')
        self._put(topics.LABEL_INFO, time_ns, header=header, class_map=classes, threshold=0.0)

    def _put(self, topic: Topic | str, time_ns: int, **fields: Any) -> None:
        if not self._named_classes:  # the node names its classes before it says anything else
            self._named_classes = True
            self._put_label_info(time_ns)
        connection = self._connections[topic if isinstance(topic, str) else topic.full_name]
        message = self._make(connection.msgtype, **fields)
        raw = self._types.serialize_cdr(message, connection.msgtype)
        self._bag.write(connection, time_ns, bytes(raw))

    def _header(self, stamp_ns: int, frame_id: str = FRAME_ID) -> Any:
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = self._make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
        return self._make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def _make(self, kind: str, **fields: Any) -> Any:
        return self._types.types[kind](**fields)


def _jpeg(image: Image) -> bytes:
    done, encoded = cv2.imencode(
        '.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise ReplayError(f'OpenCV could not encode an image of shape {image.shape} as JPEG')
    return encoded.tobytes()
