"""What lives from activation to deactivation: camera, inference thread, timers."""

from __future__ import annotations

import threading

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from eevit_ros.model.engine import Engine
from eevit_ros.nodes.classifier.channel import Channel
from eevit_ros.nodes.classifier.publishers import Publishers
from eevit_ros.parameters.classifier import Settings

RATE_PERIOD_S = 0.1
STATUS_PERIOD_S = 1.0


class Activation:
    """Answers frames in a thread of its own, so that inference blocks no callback.

    The executor's thread receives images, publishes the rate and the diagnostics, and serves
    parameters.
    """

    def __init__(
        self, node: LifecycleNode, engine: Engine, settings: Settings, publishers: Publishers
    ) -> None:
        """Subscribe and start answering."""
        self._node = node
        self._channel = Channel(node, engine, settings, publishers)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timers = [
            node.create_timer(RATE_PERIOD_S, self._channel.send_rate, clock=steady),
            node.create_timer(STATUS_PERIOD_S, self._channel.send_status, clock=steady),
        ]
        publishers.send_label_info(engine.metadata.class_names)
        self._worker = threading.Thread(target=self._work, name='inference')
        self._worker.start()
        node.get_logger().info(f'active: waiting for images on {self._channel.camera.topic}')

    def stop(self) -> None:
        """Stop for good: take no more frames, wait for the one at hand, stop the timers."""
        self._channel.camera.close()
        self._worker.join()
        for timer in self._timers:
            self._node.destroy_timer(timer)
        # Timers and subscription refer back to this object: only garbage collection frees it, which
        # runs rarely. The model is too large to wait for it.
        self._channel.free()

    def change(self, settings: Settings) -> None:
        """Apply changed live parameters."""
        self._channel.change(settings)

    def _work(self) -> None:
        while (frame := self._channel.camera.newest.get()) is not None:
            self._channel.answer(frame)
