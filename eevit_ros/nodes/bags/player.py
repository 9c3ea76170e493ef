"""The node `bag_player`: plays a recording into the live node, at the times it was recorded at.

Bags, videos and folders of pictures, without rosbag2. Images go out with their recorded stamps and
/clock tells the recorded time, so that nodes with use_sim_time see ages as they were.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image as Pixels
from eevit_ros.nodes import process as node_process
from eevit_ros.nodes.bags.recorded_time import RecordedTime
from eevit_ros.nodes.declare import declare
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED
from eevit_ros.parameters.classifier_specs import TRANSPORTS
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.recordings.stamps import stamp_text

SPECS: dict[str, Spec] = {
    'bag': Spec('', 'Path of a bag, a video or a folder of pictures; ~ is the home folder.'),
    'topic': Spec('', "Topic of a bag's images. Empty: the only one."),
    'transport': Spec(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: recorded JPEG and PNG files as they are, '
        'on `image`/compressed.',
        choices=TRANSPORTS,
    ),
    'rate': Spec(1.0, 'How many times as fast as recorded.', 0.01, 100.0),
    'wait_for': Spec(
        '', 'Topic that must have a listener before playing begins, as the images must: a recorder.'
    ),
}

EXIT_FAILED = 1
LISTENER_TIMEOUT_S = 600.0  # TensorRT may be building an engine
LOOK_AROUND_S = 0.05
# DDS tells a publisher of a listener before the listener knows the publisher.
SETTLING_S = 0.5
LINGERING_S = 1.0  # on the clock, for the last answer
FRAME_ID = 'camera'  # a recorded frame does not say its own
# Reliable, so that it fits a listener of either kind.
QOS = QoSProfile(depth=5)


class BagPlayer(Node):
    """Publishes a recording's images, and the recorded time on /clock."""

    def __init__(self) -> None:
        """Read the parameters and create the publishers.

        Raises:
            EevitError: A parameter is wrong; names it.
        """
        super().__init__('bag_player')
        values = {name: declare(self, name, spec, read_only=True) for name, spec in SPECS.items()}
        for name, spec in SPECS.items():
            spec.check(name, values[name])
        if not values['bag']:
            raise EevitError(
                "parameter 'bag' must be the path of a bag, a video or a folder. Got ''"
            )
        self.bag = Path(values['bag']).expanduser()
        self.topic: str | None = values['topic'] or None
        self._rate: float = values['rate']
        self._compressed = values['transport'] == 'compressed'
        self._wait_for: str = values['wait_for']
        # Before the images: a listener then knows this publisher before that one.
        self._clock_publisher = self.create_publisher(Clock, '/clock', 10)
        topic = self.resolve_topic_name('image')
        if self._compressed:
            self._images = self.create_publisher(CompressedImage, f'{topic}/compressed', QOS)
        else:
            self._images = self.create_publisher(Image, topic, QOS)

    def play(self, source: Source, stop: threading.Event) -> None:
        """Play a recording from start to end, once somebody listens to the images.

        Raises:
            EevitError: It could not be played to its end; says why.
        """
        log = self.get_logger()
        frames = iter(source)
        first = next(frames, None)
        if first is None:
            raise EevitError('; '.join([f'{self.bag} holds no image', *source.problems]))
        of = '' if source.frames is None else f' of {source.frames}'
        sent = 0
        with RecordedTime(first.received_ns, self._rate, self._send_clock) as clock:
            self._wait_for_listeners(stop)
            log.info(f'playing {self.bag} {source.topic} on {self._images.topic_name}')
            clock.go()
            for frame in itertools.chain([first], frames):
                message = self._message(frame)
                if not clock.wait_until(frame.received_ns, stop):
                    raise EevitError(f'stopped before the end, after {sent}{of} images')
                if message is not None:
                    self._images.publish(message)
                    sent += 1
            for problem in source.problems:
                log.warning(problem)
            if not sent:
                raise EevitError(f'none of the images of {self.bag} can be played')
            log.info(f'played {sent}{of} images')
            stop.wait(LINGERING_S)

    def _wait_for_listeners(self, stop: threading.Event) -> None:
        started_s = time.monotonic()
        said = ''
        while unheard := self._unheard():
            if time.monotonic() - started_s > LISTENER_TIMEOUT_S:
                raise EevitError(
                    f'nobody listens to {unheard} after {LISTENER_TIMEOUT_S:.0f} s: start the '
                    "classifier, and check the remapping of 'image' and its image_transport"
                )
            if unheard != said:
                self.get_logger().info(f'waiting for somebody who listens to {unheard}')
                said = unheard
            if stop.wait(LOOK_AROUND_S):
                raise EevitError('stopped before anybody listened')
        stop.wait(SETTLING_S)

    def _unheard(self) -> str:
        """Return the topic that still needs a listener, '' for none."""
        listeners = {self._images.topic_name: self._images.get_subscription_count()}
        if self._wait_for:
            listeners[self._wait_for] = self.count_subscribers(self._wait_for)
        return next((topic for topic, count in listeners.items() if not count), '')

    def _message(self, frame: SourceFrame) -> Image | CompressedImage | None:
        """Return what to publish for a frame; None, with a warning, for a broken one."""
        if self._compressed and frame.format:
            message = CompressedImage(header=_header(frame), format=frame.format)
            message.data.frombytes(frame.data)
            return message
        where = f'image {frame.index}, stamped {stamp_text(frame.stamp_ns)}'
        try:
            pixels = frame.decode()
        except EevitError as err:
            self.get_logger().warning(f'{where}, is left out: {err}')
            return None
        if self._compressed:
            raise EevitError(
                f'{where}, was recorded as neither JPEG nor PNG: it can be played with transport '
                'raw alone'
            )
        return _raw(frame, pixels)

    def _send_clock(self, time_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(time_ns, 1_000_000_000)
        self._clock_publisher.publish(message)


def _raw(frame: SourceFrame, pixels: Pixels) -> Image:
    height, width, channels = pixels.shape
    message = Image(header=_header(frame), height=height, width=width, encoding='rgb8')
    message.step = width * channels
    message.data.frombytes(pixels.tobytes())
    return message


def _header(frame: SourceFrame) -> Header:
    header = Header(frame_id=FRAME_ID)
    header.stamp.sec, header.stamp.nanosec = divmod(frame.stamp_ns, 1_000_000_000)
    return header


def main(args: list[str] | None = None) -> int:
    """Play a recording to its end, or until SIGINT or SIGTERM.

    Returns:
        The exit code: 0 when all was played, 1 when not, 2 when a parameter is wrong.
    """
    return node_process.run('bag_player', _run, args)


def _run(stop: threading.Event) -> int:
    log = get_logger('bag_player')
    try:
        from eevit_ros.recordings.open import open_source
    except ImportError as err:
        log.fatal(f'{err}: playing needs more packages: pip install rosbags mcap zstandard')
        return EXIT_FAILED
    try:
        node = BagPlayer()
    except EevitError as err:
        log.fatal(str(err))
        return EXIT_NOT_CONFIGURED
    try:
        node.play(open_source(node.bag, node.topic), stop)
    except EevitError as err:
        log.fatal(str(err))
        return EXIT_FAILED
    finally:
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main())
