"""One camera on its way through the node: its images, its answers, its rate, its status."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.model.engine import Engine
from eevit_ros.nodes.classifier.camera import Camera
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.classifier.publishers import Publishers
from eevit_ros.nodes.status_log import LOG_PERIOD_S, StatusLog
from eevit_ros.parameters.classifier import Settings
from eevit_ros.perception.newest_frames import NewestFrames
from eevit_ros.perception.perception import Perception
from eevit_ros.perception.process_stall import ProcessStall
from eevit_ros.perception.stamps import frame_age_ms
from eevit_ros.perception.statistics import Statistics
from eevit_ros.regions.classify import Region, exit_layers, may_hold


class Channel:
    """Answers the frames of one camera and keeps what lasts from one to the next.

    `answer` is for the inference thread, all else for the executor's.

    Attributes:
        camera: Its subscription.
    """

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        engine: Engine,
        settings: Settings,
        publishers: Publishers,
        frames: NewestFrames[Frame],
        lock: threading.Lock,
        on_rate: Callable[[float], object] | None,
    ) -> None:
        """Subscribe.

        Args:
            node: Its executor calls back.
            name: Name of the camera; '' of the only one.
            engine: The model, shared with the other cameras.
            settings: Parameters as they hold for this camera.
            publishers: Of this camera.
            frames: Where frames wait.
            lock: Held while rates are read and published.
            on_rate: Called under the lock after a new rate went out, with the steady clock's time;
                None for the only camera.

        Raises:
            EevitError: The transport needs something that is not installed.
        """
        self._node = node
        self._name = name
        self._engine = engine
        self._settings = settings
        self._publishers = publishers
        self._frames = frames
        self._lock = lock
        self._on_rate = on_rate
        self._decoder = Decoder(settings.images)
        self._perception = Perception(engine, settings.perception)
        rate, now_s = settings.perception.rate, time.monotonic()
        self._statistics = Statistics(now_s, rate)
        self._stall = ProcessStall(rate.stale_after_s, now_s, self._statistics.stalled)
        self._class_ids = settings.ids_of(engine.metadata.class_names)
        self.camera = Camera(
            node,
            name,
            settings.image_transport,
            settings.frozen_after_frames,
            self._stall,
        )
        show: Callable[[Frame], object] = partial(frames.put, name)
        self._regions: Regions | None = None
        if settings.region.regions:
            # Here, for an ordinary node does without these messages.
            from eevit_ros.nodes.classifier.regions import Regions

            self._regions = Regions(node, name, engine, settings.region, self._stall, show)
            show = self._regions.picture
        self.camera.open(show)  # first, for it may fail, and leaves nothing behind then
        if self._regions is not None:
            self._regions.open()
        self._log = StatusLog(node.get_logger(), self.camera.topic)

    def close(self) -> None:
        """Take no more frames."""
        self.camera.close()
        if self._regions is not None:
            self._regions.close()

    def change(self, settings: Settings) -> None:
        """Apply changed live parameters."""
        if settings.images != self._settings.images:
            self._decoder = Decoder(settings.images)
        self._settings = settings
        if self._regions is not None:
            self._regions.change(settings.region)
        with self._lock:
            self._perception.change(settings.perception)
        self._statistics.rate = settings.perception.rate
        self._stall.longest_s = settings.perception.rate.stale_after_s

    def answer(self, frame: Frame) -> None:
        """Classify a frame and publish what follows from it, whatever the frame holds."""
        try:
            self._answer(frame)
        except EevitError as err:
            self._bad_frame(str(err))
        except Exception as err:  # whatever one frame does, the next may be good
            self._node.get_logger().error(
                traceback.format_exc(), throttle_duration_sec=LOG_PERIOD_S
            )
            self._bad_frame(f'{type(err).__name__}: {err}')

    def watch_stall(self) -> None:
        """Note that the process runs; call it ten times a second."""
        self._stall.update(time.monotonic())

    def rate_at(self, now_s: float) -> float:
        """Return the rate of this moment; call it under the lock."""
        return self._perception.rate_at(now_s)

    def send_rate(self, now_s: float) -> None:
        """Publish the rate of this moment; call it under the lock."""
        self._publishers.send_rate(self.rate_at(now_s))

    def send_status(self) -> None:
        """Publish and log how this camera does."""
        with self._lock:
            rate = self.rate_at(time.monotonic())
            shift, warning = self._perception.shift.facts, self._perception.shift.warning
        status = self._statistics.report(
            time.monotonic(),
            camera=self.camera.health,
            publishers=self.camera.publishers(),
            drops=self._frames.drops[self._name],
            facts={
                'adaptive_rate': f'{rate:.3f}',
                'provider': self._engine.provider,
                'provider_note': self._engine.provider_note,
                'image_note': self._decoder.warning,
                'execution': self._engine.execution,
                'exit_policy': self._engine.exit_policy,
                'model': self._engine.metadata.name,
                'model_file': str(self._settings.model),
                'model_hash': self._engine.sha256,
                'thresholds': ', '.join(f'{t:.4g}' for t in self._engine.thresholds),
                'promise': self._engine.promise,
                **shift,
            },
        )
        status = status.with_problem(warning)
        if self._regions is not None:
            stale_after_s = self._settings.perception.rate.stale_after_s
            status = self._regions.report(status, stale_after_s, self.camera.health.received_s)
        self._publishers.send_status(status, self.camera.topic)
        self._log.write(status)

    def _answer(self, frame: Frame) -> None:
        decoder, regions = self._decoder, None  # another may be set meanwhile
        if self._regions is None:
            image = _decode(frame, decoder, self._engine.input_size)
            observation = self._perception.observe(image)
        else:
            image = _decode(frame, decoder, None)
            regions = self._regions.classify(
                image, frame.detections, decoder.mounting, self._class_ids, self._settings.top_k
            )
            self._publishers.send_regions(frame.detections)
            results = [region.result for region in regions if region.result]
            if not results:
                self._no_region(frame, image, regions)
                return
            observation = self._perception.observe_regions(image, results)
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            now_s = time.monotonic()
            record = self._perception.record(
                observation,
                stamp_ns=frame.stamp_ns,
                now_ns=now_ns,
                now_s=now_s,
                doubtful=frame.frozen or frame.waited,
                drops=self._frames.drops[self._name],
                useless_stamps=frame.useless_stamps,
                mounting=decoder.mounting,
            )
            if regions is not None:
                record = replace(record, region_exit_layers=exit_layers(regions))
            self._send_new_rate(record.adaptive_rate, now_s)
        self._statistics.answered(observation, record, now_s, waited=frame.waited)
        self._publishers.send_answer(
            frame.header,
            image,
            record,
            class_ids=self._class_ids,
            top_k=self._settings.top_k,
            regions=regions or (),
        )

    def _no_region(self, frame: Frame, image: Image, regions: Sequence[Region]) -> None:
        """Take a frame whose detector saw nothing that can be asked about."""
        seen = self._perception.look(image)
        now_ns = self._node.get_clock().now().nanoseconds
        age_ms = None if frame.useless_stamps else frame_age_ms(frame.stamp_ns, now_ns)
        doubtful, hold = frame.frozen or frame.waited, may_hold(regions, self._settings.region)
        with self._lock:
            now_s = time.monotonic()
            rate = self._perception.no_evidence(seen, age_ms, now_s, doubtful=doubtful, hold=hold)
            self._send_new_rate(rate, now_s)
        self._statistics.no_region(*seen, now_s)

    def _bad_frame(self, error: str) -> None:
        self._statistics.bad_frame(error)
        with self._lock:
            now_s = time.monotonic()
            self._send_new_rate(self._perception.fault(now_s), now_s)

    def _send_new_rate(self, rate: float, now_s: float) -> None:
        self._publishers.send_rate(rate)
        if self._on_rate is not None:
            self._on_rate(now_s)


def _decode(frame: Frame, decoder: Decoder, size: InputSize | None) -> Image:
    """Return a frame as RGB; a JPEG much larger than `size` at a reduced size."""
    if frame.error:
        raise EevitError(frame.error)
    if frame.picture is not None:
        return decoder.picture(frame.picture)
    message = frame.message
    if isinstance(message, CompressedImage):
        return decoder.compressed(message.data, message.format, size)
    return decoder.image(message, size)
