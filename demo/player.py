"""The camera: plays the recording as a process of its own.

    python -m demo.player [--bag FOLDER] [--compressed]

Frames go out at the recording's rate on a steady clock, stamped with the time of now, so that ages
are real ones. By default they are decoded to sensor_msgs/Image, as a camera driver sends them;
with --compressed they go out as recorded. The truth of each follows on a topic of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
import rclpy
import rclpy.utilities
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Classification, ObjectHypothesis

from demo.bag import COMPRESSED_TOPIC, IMAGE_TOPIC, SHIPPED_BAG, TRUTH_TOPIC, BagFrame, read_bag
from demo.errors import DemoError
from eevit_ros.errors import EevitError

LISTENERS_TIMEOUT_S = 30.0


class Picture(Protocol):
    """What a camera plays: a stamp in nanoseconds and a JPEG."""

    @property
    def stamp_ns(self) -> int: ...  # noqa: D102

    @property
    def jpeg(self) -> bytes: ...  # noqa: D102


Played = TypeVar('Played', bound=Picture)


def play(frames: Sequence[BagFrame], *, compressed: bool) -> None:
    """Publish all frames once they and their truth have a subscriber."""
    node = Node('demo_camera')
    truths = node.create_publisher(Classification, TRUTH_TOPIC, len(frames))

    def follow(frame: BagFrame, header: Header) -> None:
        truth = ObjectHypothesis(class_id=frame.truth, score=1.0)
        truths.publish(Classification(header=header, results=[truth]))

    play_pictures(node, frames, follow, [truths], compressed=compressed)


def play_pictures(
    node: Node,
    pictures: Sequence[Played],
    follow: Callable[[Played, Header], None],
    followers: Sequence[Publisher],
    *,
    compressed: bool,
) -> None:
    """Publish pictures at the rate of their stamps, and what follows each.

    Args:
        node: Publishes.
        pictures: At least one.
        follow: Publishes what follows a picture, under the header that the picture has got.
        followers: What it publishes with: the first picture waits until all have a subscriber.
        compressed: Send the JPEGs as they are.

    Raises:
        DemoError: Nobody subscribes in time, or a picture cannot be decoded.
    """
    make: Callable[[Picture], Image | CompressedImage] = _as_recorded if compressed else _decoded
    kind, topic = (CompressedImage, COMPRESSED_TOPIC) if compressed else (Image, IMAGE_TOPIC)
    images = node.create_publisher(kind, topic, qos_profile_sensor_data)
    for publisher in (images, *followers):
        _wait_for_listener(node, publisher)
    start_s = time.monotonic()
    for picture in pictures:
        message = make(picture)
        due_s = start_s + (picture.stamp_ns - pictures[0].stamp_ns) * 1e-9
        time.sleep(max(0.0, due_s - time.monotonic()))
        message.header.stamp = node.get_clock().now().to_msg()
        message.header.frame_id = 'camera'
        images.publish(message)
        follow(picture, message.header)
    for publisher in followers:
        publisher.wait_for_all_acked()


def run_player(play_bag: Callable[[Path, bool], None], description: str) -> int:
    """Play the bag that the command line names, compressed or not; return the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--bag', type=Path, default=SHIPPED_BAG)
    parser.add_argument('--compressed', action='store_true', help='send the JPEGs as they are')
    args = parser.parse_args()
    try:
        rclpy.init()
        play_bag(args.bag, args.compressed)
    except (DemoError, EevitError) as err:
        print(f'player: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.utilities.try_shutdown()
    return 0


def _decoded(picture: Picture) -> Image:
    """Return a picture as a camera driver would send it: bgr8, no row padding."""
    pixels = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DemoError(f'the frame at {picture.stamp_ns} ns of the bag is not an image')
    message = Image(encoding='bgr8', is_bigendian=0)
    message.height, message.width = pixels.shape[:2]
    message.step = 3 * message.width
    message.data.frombytes(pixels.tobytes())
    return message


def _as_recorded(picture: Picture) -> CompressedImage:
    message = CompressedImage(format='jpeg')
    message.data.frombytes(picture.jpeg)
    return message


def _wait_for_listener(node: Node, publisher: Publisher) -> None:
    give_up_s = time.monotonic() + LISTENERS_TIMEOUT_S
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > give_up_s:
            raise DemoError(
                f'no subscriber on {publisher.topic_name} after {LISTENERS_TIMEOUT_S:.0f} s'
            )
        rclpy.spin_once(node, timeout_sec=0.05)


if __name__ == '__main__':
    sys.exit(
        run_player(
            lambda bag, compressed: play(read_bag(bag), compressed=compressed),
            __doc__.splitlines()[0],
        )
    )
