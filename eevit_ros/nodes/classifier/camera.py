"""The image subscription: what comes in, waits in the slot, or does not come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from eevit_ros.images.raw import decode_compressed, decode_image_message
from eevit_ros.images.resize import Image as Pixels
from eevit_ros.images.resize import Target
from eevit_ros.nodes.topic_watch import TopicWatch
from eevit_ros.perception.frame_slot import FrameSlot
from eevit_ros.perception.frozen_camera import FrozenCamera
from eevit_ros.perception.process_stall import HoldUp
from eevit_ros.perception.statistics import Publishers, Statistics

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

TYPES = {'raw': Image, 'compressed': CompressedImage}
TYPE_NAMES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}


@dataclass(frozen=True)
class Frame:
    """A message as it came, and why its answer must not make the robot faster."""

    message: Any  # sensor_msgs/Image or CompressedImage
    stamp_ns: int
    frozen: bool  # the camera repeats itself
    waited: bool  # in a queue while this process was held up, perhaps

    def decode(self, target: Target) -> Pixels:
        """Return it as uint8 (H, W, 3) RGB; a JPEG much larger than `target` at a reduced size.

        Raises:
            EevitError: It cannot be read.
        """
        if isinstance(self.message, CompressedImage):
            return decode_compressed(self.message.data, self.message.format, target)
        return decode_image_message(self.message)


class Camera:
    """Subscribes, counts, and keeps the newest frame in `slot`.

    The topic is the resolved name of `image`, plus `/compressed` for that transport, as
    image_transport does it: users remap `image` alone. QoS is sensor data's, overridable by the
    parameters `qos_overrides.<topic>.subscription.{reliability,depth,history}`.
    """

    def __init__(
        self,
        node: LifecycleNode,
        transport: str,
        frozen_after: int,
        statistics: Statistics,
        hold_up: HoldUp,
    ) -> None:
        """Subscribe now.

        Args:
            node: Its executor calls back.
            transport: 'raw' or 'compressed'.
            frozen_after: Repetitions in a row that mean a frozen camera.
            statistics: Counts what arrives and what got lost.
            hold_up: Tells whether frames had to wait for this process.
        """
        suffix = '' if transport == 'raw' else f'/{transport}'
        self.topic: str = node.resolve_topic_name('image') + suffix
        self.slot: FrameSlot[Frame] = FrameSlot()
        self._node = node
        self._frozen = FrozenCamera(frozen_after)
        self._statistics = statistics
        self._hold_up = hold_up
        try:
            self._subscription = self._subscribe(TYPES[transport], message_lost=self._on_lost)
        except UnsupportedEventTypeError:  # not every middleware tells
            self._subscription = self._subscribe(TYPES[transport])
        qos = self._subscription.qos_profile
        self._watch = TopicWatch(node, self.topic, TYPE_NAMES[transport], qos)

    def publishers(self) -> Publishers:
        """Who publishes on the topic now."""
        return Publishers(self.topic, self._watch.count(), self._watch.unheard())

    def close(self) -> None:
        """Take no more frames and release whoever waits for one."""
        self.slot.close()
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, message_type: Any, **events: Any) -> Any:
        return self._node.create_subscription(
            message_type,
            self.topic,
            self._on_image,
            QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT),
            event_callbacks=SubscriptionEventCallbacks(**events),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _on_image(self, message: Any) -> None:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        now_s = time.monotonic()
        frozen = self._frozen.see(stamp_ns, message.data)
        self._statistics.received(stamp_ns, now_s, repeats=self._frozen.repeats, frozen=frozen)
        self.slot.put(Frame(message, stamp_ns, frozen, self._hold_up.see(now_s)))

    def _on_lost(self, event: Any) -> None:
        self._statistics.lost(event.total_count_change)
