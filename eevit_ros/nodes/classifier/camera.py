"""The image subscription: what comes in, waits for the network, or does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSPolicyKind
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import Header

from eevit_ros.errors import EevitError
from eevit_ros.images.h26x import codec_named, codec_of, video_codec
from eevit_ros.images.video import load_av
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.classifier.image_topics import RAW, candidates, other_images, publishes
from eevit_ros.nodes.classifier.stream import Stream
from eevit_ros.nodes.ros_topics import message_class, qos_profile
from eevit_ros.nodes.topic_watch import TopicWatch
from eevit_ros.parameters.classifier import TRANSPORTS
from eevit_ros.parameters.topics import IMAGE, RAW_IMAGE_DEPTH
from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.process_stall import ProcessStall
from eevit_ros.perception.statistics import PublisherCount

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

TYPES = dict(zip(TRANSPORTS, IMAGE.types, strict=True))

# The codec of a message by its transport, after packets of a codec; '' for an image.
CODECS: dict[str, Callable[[Any, str], str]] = {
    # Some drivers put video there.
    'raw': lambda message, running: (
        codec_named(message.encoding) and video_codec(message.encoding, _start(message), running)
    ),
    'compressed': lambda message, running: codec_of(message.format, _start(message), running),
    'ffmpeg': lambda message, running: video_codec(message.encoding, _start(message), running),
    'foxglove': lambda message, running: video_codec(message.format, _start(message), running),
}


class Camera:
    """Subscribes, watches how frames come in, and hands them on.

    The topic is the resolved name of `image` (of several cameras: `<camera>/image`), plus
    `/compressed` for that transport, as image_transport does it: users remap `image` alone. Where
    nobody publishes on that, but somebody publishes such messages on `image` itself, it is that
    topic. QoS is sensor data's, overridable by the parameters
    `qos_overrides.<topic>.subscription.{reliability,depth,history}`.

    Attributes:
        topic: Full name of the image topic, after `open`.
        health: What the frames say of the camera. Read it in the executor's thread.
    """

    topic: str

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        transport: str,
        frozen_after: int,
        stall: ProcessStall,
    ) -> None:
        """Prepare to `open`.

        Args:
            node: Its executor calls back.
            name: Name of the camera; '' of the only one.
            transport: One of `TRANSPORTS`.
            frozen_after: Repetitions in a row that mean a frozen camera.
            stall: Tells whether frames had to wait for this process.

        Raises:
            EevitError: The transport needs something that is not installed.
        """
        self.health = CameraHealth(frozen_after, time.monotonic())
        self._node = node
        self._transport = transport
        self._type_name = _installed(transport)
        self._stall = stall
        self._codec_of = CODECS[transport]
        self._codec = ''  # of the last packet of video
        self._stream: Stream | None = None
        self._is_video = False  # found out later, where raw images hold packets
        self._name = name
        self._image: str = node.resolve_topic_name(IMAGE.of(name).name)
        # Resolved again: a rule may be for the name with the transport.
        self._names = [node.resolve_topic_name(one) for one in candidates(self._image, transport)]

    def open(self, show: Callable[[Frame], object]) -> None:
        """Subscribe now; `show` takes each frame, from video in a thread of its own."""
        self._show = show
        self._open(next(filter(self._is_published, self._names), self._names[0]))

    def publishers(self) -> PublisherCount:
        """Return who publishes on the topic now; turn to another one where nobody does."""
        count = self._watch.count()
        others = [name for name in self._names if name != self.topic]
        if count == 0 and (found := next(filter(self._is_published, others), None)):
            self._node.get_logger().info(f'images are on {found}, not on {self.topic}')
            self._reopen(found)
            count = self._watch.count()
        elif self._codec and self._is_shallow():
            self._is_video = True
            self._reopen(self.topic)
        unheard = self._watch.unheard()
        elsewhere = ''
        if count == 0 or unheard:
            elsewhere = other_images(
                self._node,
                self._image,
                self._transport,
                TYPES,
                anywhere=count == 0,
                camera=self._name,
            )
        return PublisherCount(self.topic, count, unheard, elsewhere, self._name)

    def close(self) -> None:
        """Take no more frames."""
        self._node.destroy_subscription(self._subscription)
        del self._subscription  # it refers back to this object
        if self._stream is not None:
            self._stream.close()

    def _is_published(self, topic: str) -> bool:
        return publishes(self._node, topic, self._type_name)

    def _is_shallow(self) -> bool:
        depth: int = self._subscription.qos_profile.depth
        return self._transport == RAW and depth == RAW_IMAGE_DEPTH

    def _open(self, topic: str) -> None:
        self.topic = topic
        try:
            self._subscription = self._subscribe(message_lost=self._on_lost)
        except UnsupportedEventTypeError:  # not every middleware tells
            self._subscription = self._subscribe()
        qos = self._subscription.qos_profile
        self._watch = TopicWatch(self._node, topic, self._type_name, qos)

    def _reopen(self, topic: str) -> None:
        self._node.destroy_subscription(self._subscription)
        self._open(topic)

    def _subscribe(self, **events: Any) -> Any:
        qos, options = qos_profile(IMAGE), QoSOverridingOptions.with_default_policies()
        if self._is_video:
            options = QoSOverridingOptions((QoSPolicyKind.HISTORY, QoSPolicyKind.RELIABILITY))
        elif self._transport == RAW:
            qos.depth = RAW_IMAGE_DEPTH
        return self._node.create_subscription(
            message_class(self._type_name),
            self.topic,
            self._on_image,
            qos,
            event_callbacks=SubscriptionEventCallbacks(**events),
            qos_overriding_options=options,
        )

    def _on_image(self, message: Any) -> None:
        header = getattr(message, 'header', None)
        if header is None:  # foxglove_msgs/CompressedVideo has its fields without one
            header = Header(stamp=message.timestamp, frame_id=message.frame_id)
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        now_s = time.monotonic()
        codec = self._codec_of(message, self._codec)
        self.health.update(stamp_ns, None if codec else message.data, now_s)
        waited = self._stall.update(now_s)
        useless = bool(self.health.stamps.fault)
        frame = Frame(message, header, stamp_ns, self.health.frozen, waited, useless)
        if codec:
            if self._stream is None:
                self._stream = Stream(self.health, self._show)
            self._codec = codec
            self._stream.put(frame, codec)
        else:
            self._show(frame)

    def _on_lost(self, event: Any) -> None:
        self.health.lost += event.total_count_change


def _installed(transport: str) -> str:
    """Return the type of a transport's messages.

    Raises:
        EevitError: The transport needs something that is not installed.
    """
    type_name = TYPES[transport]
    try:
        message_class(type_name)
    except ImportError as err:
        package = type_name.partition('/')[0]
        raise EevitError(
            f"image_transport '{transport}' needs the package {package} ({err}): "
            f'sudo apt install ros-$ROS_DISTRO-{package.replace("_", "-")}'
        ) from err
    if transport not in ('raw', 'compressed'):
        load_av()
    return type_name


def _start(message: Any) -> bytes:
    return bytes(message.data[:16])
