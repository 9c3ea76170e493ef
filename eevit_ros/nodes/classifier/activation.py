"""What lives from activation to deactivation: cameras, inference thread, timers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from eevit_ros.model.engine import Engine
from eevit_ros.nodes.classifier.channel import Channel
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.classifier.publishers import CommonPublishers
from eevit_ros.parameters.cameras import CameraSettings
from eevit_ros.perception.newest_frames import NewestFrames

RATE_PERIOD_S = 0.1
STATUS_PERIOD_S = 1.0


class Activation:
    """Answers frames in a thread of its own, so that inference blocks no callback.

    The executor's thread receives images, publishes the rates and the diagnostics, and serves
    parameters.
    """

    def __init__(
        self,
        node: LifecycleNode,
        engine: Engine,
        settings: Mapping[str, CameraSettings],
        publishers: CommonPublishers,
    ) -> None:
        """Subscribe and start answering; `settings` are by camera.

        Raises:
            EevitError: A camera's transport needs something that is not installed.
        """
        self._node = node
        self._publishers = publishers
        # Held while rates are read and published: an older one must not follow a newer one.
        self._lock = threading.Lock()
        self._frames = NewestFrames[Frame](_weights(settings))
        self._channels: dict[str, Channel] = {}
        # The only camera has no name, and its rate is the lowest already.
        self._on_rate = None if '' in settings else self._send_lowest_rate
        try:
            for camera, own in settings.items():
                self._channels[camera] = Channel(
                    node,
                    camera,
                    engine,
                    own,
                    publishers.cameras[camera],
                    self._frames,
                    self._lock,
                    self._on_rate,
                )
        except Exception:
            for channel in self._channels.values():  # they would go on
                channel.close()
            self._forget()
            raise
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [
            node.create_timer(RATE_PERIOD_S, self._send_rates, clock=steady),
            node.create_timer(STATUS_PERIOD_S, self._send_status, clock=steady),
        ]
        publishers.send_label_info(engine.metadata.class_names)
        self._worker = threading.Thread(target=self._work, name='inference')
        self._worker.start()
        topics = Counter(channel.camera.topic for channel in self._channels.values())
        node.get_logger().info(f'active: waiting for images on {", ".join(topics)}')
        for topic, cameras in topics.items():
            if cameras > 1:
                node.get_logger().warning(
                    f'{cameras} cameras read {topic}: remap <camera>/image of each'
                )

    def stop(self) -> None:
        """Stop for good: take no more frames, wait for the one at hand, stop the timers."""
        for channel in self._channels.values():
            channel.close()
        self._frames.close()
        self._worker.join()
        for timer in self._timers:
            self._node.destroy_timer(timer)
        self._timers.clear()
        self._forget()

    def _forget(self) -> None:
        """Refer to nothing that refers back to this object.

        The garbage collector, which would have to free model and pictures, runs rarely.
        """
        self._channels.clear()
        self._on_rate = None

    def change(self, settings: Mapping[str, CameraSettings]) -> None:
        """Apply changed live parameters."""
        self._frames.change(_weights(settings))
        for camera, own in settings.items():
            self._channels[camera].change(own)

    def _work(self) -> None:
        while (taken := self._frames.get()) is not None:
            camera, frame = taken
            self._channels[camera].answer(frame)

    def _send_rates(self) -> None:
        for channel in self._channels.values():
            channel.watch_stall()
        with self._lock:
            now_s = time.monotonic()
            for channel in self._channels.values():
                channel.send_rate(now_s)
            if self._on_rate is not None:
                self._on_rate(now_s)

    def _send_lowest_rate(self, now_s: float) -> None:
        rates = (channel.rate_at(now_s) for channel in self._channels.values())
        self._publishers.send_lowest_rate(rates)

    def _send_status(self) -> None:
        for channel in self._channels.values():
            channel.send_status()


def _weights(settings: Mapping[str, CameraSettings]) -> dict[str, float]:
    return {camera: own.weight for camera, own in settings.items()}
