"""The node `bag_player`: plays a recording into the running nodes at its recorded pace.

Bags, videos and folders of pictures, without rosbag2. Images keep their recorded stamps and /clock
carries the recorded time, so nodes with use_sim_time see the ages that they would have seen live.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from eevit_ros.errors import EevitError
from eevit_ros.images.picture_file import picture_format
from eevit_ros.images.settings import AUTO, ImageSettings
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.bags.answers import Answers
from eevit_ros.nodes.bags.detections import LATEST_NS, PlayedDetections
from eevit_ros.nodes.bags.frame_message import (
    compressed_message,
    file_format,
    pixels_of,
    raw_message,
)
from eevit_ros.nodes.bags.recorded_time import RecordedTime
from eevit_ros.nodes.dds_profile import take_profile
from eevit_ros.nodes.declare import read_settings
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED
from eevit_ros.parameters.bags import PlayerSettings
from eevit_ros.parameters.classifier import SPECS
from eevit_ros.parameters.topics import FRAME, IMAGE
from eevit_ros.recordings.bag.topics import topics_by_camera
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.recordings.stamps import stamp_text

EXIT_FAILED = 1
SUBSCRIBER_TIMEOUT_S = 600.0  # TensorRT may be building an engine
POLL_S = 0.05
# DDS shows a publisher its subscriber before the subscriber knows the publisher.
SETTLING_S = 0.5
LINGERING_S = 1.0  # /clock goes on for the last answer
LONGEST_GAP_S = 60.0  # of recorded time without images; a longer one is played as one of
SHORT_GAP_S = 1.0
# Reliable, which matches reliable and best-effort subscribers.
QOS = QoSProfile(depth=5)


class BagPlayer(Node):
    """Publishes a recording's images, and the recorded time on /clock."""

    def __init__(self) -> None:
        """Read the parameters and create the publishers.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('bag_player')
        settings = read_settings(self, PlayerSettings)
        self.bag = Path(settings.bag).expanduser()
        self.topics = topics_by_camera([settings.topic])
        self._detections = PlayedDetections(self, topics_by_camera([settings.detections]))
        self._rate, self._wait_for = settings.rate, settings.wait_for
        self._nodes = frozenset(settings.wait_for_nodes)
        self._compressed = settings.transport == 'compressed'
        # Created before the images' publisher, so that a subscriber discovers the clock first.
        self._clock_publisher = self.create_publisher(Clock, '/clock', 10)
        SPECS['cameras'].setting('cameras', [camera for camera in self.topics if camera])
        cameras = list(self.topics) or ['']
        self._images = {camera: self._image_publisher(camera) for camera in cameras}
        self._answers = {
            camera: Answers(self, FRAME.of(camera).relative_name) for camera in cameras
        }
        # Images of each camera by stamp, nanoseconds.
        self._played = {camera: Counter[int]() for camera in cameras}

    def _image_publisher(self, camera: str) -> Any:
        image = IMAGE.of(camera).name
        topic = self.resolve_topic_name(image)
        # The full name that `ros2 topic list` shows will do, too.
        names_compressed = topic.endswith('/compressed')
        if self._compressed:
            name = topic if names_compressed else f'{topic}/compressed'
            return self.create_publisher(CompressedImage, name, QOS)
        if names_compressed:
            raise EevitError(
                f"'{image}' is {topic}, the name of compressed images, and transport is raw: set "
                f"transport to 'compressed', or remap '{image}' to "
                f'{topic.removesuffix("/compressed")}'
            )
        return self.create_publisher(Image, topic, QOS)

    def play(self, source: Source, stop: threading.Event) -> None:
        """Play a recording from start to end, once all that is played has a subscriber.

        Raises:
            EevitError: It could not be played to its end; says why.
        """
        self._detections.open(source)
        frames = iter(source)
        first = next(frames, None)
        if first is None:
            raise EevitError('; '.join([f'{self.bag} contains no images', *source.problems]))
        log = self.get_logger()
        total = '' if source.frames is None else f' of {source.frames}'
        with RecordedTime(first.received_ns, self._rate, self._publish_clock) as clock:
            self._wait_for_subscribers(stop)
            topics = ', '.join(publisher.topic_name for publisher in self._images.values())
            recorded = f'{self.bag} {source.topic}'.rstrip()
            log.info(f'playing {recorded} on {topics}')
            clock.start()
            published = self._publish(itertools.chain([first], frames), clock, stop, total)
            for problem in source.problems:
                log.warning(problem)
            if not published:
                raise EevitError(f'no image in {self.bag} can be played')
            self._linger(stop)
            outcomes = [
                answers.outcome(self._played[camera]) for camera, answers in self._answers.items()
            ]
            told = [outcome for outcome, _ in outcomes if outcome]
            log.info('; '.join([f'played {published}{total} images', *told]))
            for warning in filter(None, (warning for _, warning in outcomes)):
                log.warning(warning)

    def _publish(
        self, frames: Iterable[SourceFrame], clock: RecordedTime, stop: threading.Event, total: str
    ) -> int:
        """Publish each frame at its time; return how many were published.

        Raises:
            EevitError: `stop` was set before the end.
        """
        published = 0
        set_ns = 0
        last_ns: int | None = None
        for frame in frames:
            message = self._message(frame)
            gap_s = 0.0 if last_ns is None else (frame.received_ns - last_ns) * 1e-9
            last_ns = frame.received_ns
            if gap_s > LONGEST_GAP_S:
                self.get_logger().info(
                    f'no image for {gap_s:.0f} s before image {frame.index}: skipped, as all such '
                    f'gaps are',
                    once=True,
                )
                clock.skip(round((gap_s - SHORT_GAP_S) * 1e9))
            set_ns = frame.clock_set_ns
            if not (
                self._detect(frame.received_ns, set_ns, clock, stop)
                and clock.wait_until(frame.received_ns, stop, set_ns)
            ):
                raise EevitError(f'stopped before the end, after {published}{total} images')
            if message is not None:
                self._played[frame.camera][frame.stamp_ns] += 1
                self._images[frame.camera].publish(message)
                published += 1
        if last_ns is not None:
            self._detect(last_ns + LATEST_NS, set_ns, clock, stop)
        return published

    def _detect(
        self, until_ns: int, set_ns: int, clock: RecordedTime, stop: threading.Event
    ) -> bool:
        """Publish the detections up to a time, each at its own; return False if `stop` was set."""
        return all(
            clock.wait_until(time_ns - set_ns, stop, set_ns)
            for time_ns in self._detections.until(until_ns + set_ns)
        )

    def _linger(self, stop: threading.Event) -> None:
        """Let the time go on for the last answers; longer where they still come."""
        stop.wait(LINGERING_S)
        until_s = time.monotonic() + LINGERING_S
        while any(
            answers.stamps and self._played[camera] - answers.stamps
            for camera, answers in self._answers.items()
        ):
            if time.monotonic() > until_s or stop.wait(POLL_S):
                return

    def _wait_for_subscribers(self, stop: threading.Event) -> None:
        deadline_s = time.monotonic() + SUBSCRIBER_TIMEOUT_S
        logged = ''
        while topic := self._topic_without_subscriber():
            if time.monotonic() > deadline_s:
                raise EevitError(
                    f'no subscriber on {topic} after {SUBSCRIBER_TIMEOUT_S:.0f} s: start the '
                    "classifier, and check the remapping of 'image' and its image_transport, and "
                    'that `regions` is true where detections are played'
                )
            if topic != logged:
                of_whom = f' of {" or ".join(sorted(self._nodes))}' if self._nodes else ''
                self.get_logger().info(f'waiting for subscribers on {topic}{of_whom}')
                logged = topic
            if stop.wait(POLL_S):
                raise EevitError('stopped while waiting for subscribers')
        stop.wait(SETTLING_S)

    def _topic_without_subscriber(self) -> str:
        """Return the first topic that still needs a subscriber, '' if none does."""
        publishers = [*self._images.values(), *self._detections.publishers.values()]
        for publisher in publishers:
            if not publisher.get_subscription_count():
                return str(publisher.topic_name)
        played = (str(publisher.topic_name) for publisher in publishers)
        for topic in (*played, *self._wait_for):
            found = {one.node_name for one in self.get_subscriptions_info_by_topic(topic)}
            if not (found & self._nodes if self._nodes else found - {self.get_name()}):
                return topic
        return ''

    def _message(self, frame: SourceFrame) -> Image | CompressedImage | None:
        """Return the message for a frame; None, with a warning, if it cannot be decoded."""
        if self._compressed and (kind := file_format(frame)):
            return compressed_message(frame, kind, frame.data)
        where = f'image {frame.index}, stamped {stamp_text(frame.stamp_ns)}'
        try:
            pixels, encoding = pixels_of(frame)
        except EevitError as err:
            self.get_logger().warning(f'{where}, skipped: {err}')
            return None
        if not self._compressed:
            return raw_message(frame, pixels, encoding)
        if not picture_format(frame.data):
            raise EevitError(
                f'{where}, was recorded as neither JPEG nor PNG: play it with transport raw'
            )
        # A photo that EXIF turns: nodes take a camera's pictures as they come.
        done, file = cv2.imencode('.png', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        if not done:
            raise EevitError(f'{where}, cannot be encoded as PNG by OpenCV {cv2.__version__}')
        return compressed_message(frame, 'png', file.tobytes())

    def _publish_clock(self, time_ns: int) -> None:
        message = Clock()
        # 0 would mean that there is no time yet, for which nodes wait.
        message.clock.sec, message.clock.nanosec = divmod(max(1, time_ns), 1_000_000_000)
        self._clock_publisher.publish(message)


def main(args: list[str] | None = None) -> int:
    """Play a recording to its end, or until SIGINT or SIGTERM.

    Returns:
        The exit code: 0 if the whole recording was played, 1 if not, 2 if a parameter is wrong.
    """
    take_profile()
    return node_process.run('bag_player', _run, args)


def _run(stop: threading.Event) -> int:
    log = get_logger('bag_player')
    try:
        from eevit_ros.recordings.cameras import open_topics
        from eevit_ros.recordings.open import find_recordings
    except ImportError as err:
        log.fatal(
            f'{err}: playing needs more or newer packages; install them: pip install '
            "'rosbags>=0.11.6' mcap zstandard"
        )
        return EXIT_FAILED
    try:
        node = BagPlayer()
    except EevitError as err:
        log.fatal(str(err))
        return EXIT_NOT_CONFIGURED
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, name='answers')
    spinning.start()
    try:
        # The range is for the nodes: here nothing may be refused or warned of for the lack of one.
        images = ImageSettings(image_range=AUTO)
        source = open_topics(node.bag, node.topics, images)
        if inside := [x for x in find_recordings(node.bag) if x.parent == node.bag != x]:
            log.warning(
                f'{len(inside)} recording(s) are to be played by themselves: {inside[0]} ...'
            )
        node.play(source, stop)
    except EevitError as err:
        log.fatal(str(err))
        return EXIT_FAILED
    finally:
        executor.shutdown()
        spinning.join()
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main())
