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
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import rclpy
import rclpy.utilities
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Classification, ObjectHypothesis

from demo.bag import COMPRESSED_TOPIC, IMAGE_TOPIC, SHIPPED_BAG, TRUTH_TOPIC, BagFrame, read_bag
from demo.errors import DemoError

LISTENERS_TIMEOUT_S = 30.0


def decoded(frame: BagFrame) -> Image:
    """Return a frame as a camera driver would send it: bgr8, no row padding."""
    pixels = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise DemoError(f'the frame at {frame.stamp_ns} ns of the bag is not an image')
    message = Image(encoding='bgr8', is_bigendian=0)
    message.height, message.width = pixels.shape[:2]
    message.step = 3 * message.width
    message.data.frombytes(pixels.tobytes())
    return message


def as_recorded(frame: BagFrame) -> CompressedImage:
    """Return a frame's JPEG as it is."""
    message = CompressedImage(format='jpeg')
    message.data.frombytes(frame.jpeg)
    return message


def play(frames: list[BagFrame], *, compressed: bool) -> None:
    """Publish all frames once they and their truth have a subscriber."""
    node = Node('demo_camera')
    make: Callable[[BagFrame], Image | CompressedImage]
    if compressed:
        make = as_recorded
        images = node.create_publisher(CompressedImage, COMPRESSED_TOPIC, qos_profile_sensor_data)
    else:
        make = decoded
        images = node.create_publisher(Image, IMAGE_TOPIC, qos_profile_sensor_data)
    truths = node.create_publisher(Classification, TRUTH_TOPIC, len(frames))
    wait_for_listener(node, images)
    wait_for_listener(node, truths)
    start_s = time.monotonic()
    for frame in frames:
        message = make(frame)
        due_s = start_s + (frame.stamp_ns - frames[0].stamp_ns) * 1e-9
        time.sleep(max(0.0, due_s - time.monotonic()))
        message.header.stamp = node.get_clock().now().to_msg()
        message.header.frame_id = 'camera'
        images.publish(message)
        truth = ObjectHypothesis(class_id=frame.truth, score=1.0)
        truths.publish(Classification(header=message.header, results=[truth]))
    truths.wait_for_all_acked()


def wait_for_listener(node: Node, publisher: Publisher) -> None:
    """Wait until a topic has a subscriber.

    Raises:
        DemoError: None came in time.
    """
    give_up_s = time.monotonic() + LISTENERS_TIMEOUT_S
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > give_up_s:
            raise DemoError(
                f'no subscriber on {publisher.topic_name} after {LISTENERS_TIMEOUT_S:.0f} s'
            )
        rclpy.spin_once(node, timeout_sec=0.05)


def main() -> int:
    """Play and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bag', type=Path, default=SHIPPED_BAG)
    parser.add_argument('--compressed', action='store_true', help='send the JPEGs as they are')
    args = parser.parse_args()
    try:
        rclpy.init()
        play(read_bag(args.bag), compressed=args.compressed)
    except DemoError as err:
        print(f'player: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.utilities.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
