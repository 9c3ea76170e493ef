"""Camera and detector: play the recording of several things as a process of their own.

    python -m demo.regions.player --bag FOLDER [--compressed]

As `demo.player`; the boxes follow each picture after the time that a detector takes, and their true
classes on a topic of their own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
import rclpy.utilities
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from demo.bag import COMPRESSED_TOPIC, IMAGE_TOPIC, BagFrame
from demo.errors import DemoError
from demo.player import as_recorded, decoded, wait_for_listener
from demo.regions.bag import (
    DETECTIONS_TOPIC,
    FOUND,
    LATE_NS,
    TRUE_TOPIC,
    RegionFrame,
    read_region_bag,
)
from eevit_ros.errors import EevitError


def play(frames: Sequence[RegionFrame], *, compressed: bool) -> None:
    """Publish all frames with their boxes once they have subscribers."""
    node = Node('demo_camera')
    kind, topic = (CompressedImage, COMPRESSED_TOPIC) if compressed else (Image, IMAGE_TOPIC)
    images = node.create_publisher(kind, topic, qos_profile_sensor_data)
    boxes = node.create_publisher(Detection2DArray, DETECTIONS_TOPIC, len(frames))
    truths = node.create_publisher(Detection2DArray, TRUE_TOPIC, len(frames))
    for publisher in (images, boxes, truths):
        wait_for_listener(node, publisher)
    start_s = time.monotonic()
    for frame in frames:
        one = BagFrame(frame.stamp_ns, frame.jpeg, '')
        message: Any = as_recorded(one) if compressed else decoded(one)
        due_s = start_s + (frame.stamp_ns - frames[0].stamp_ns) * 1e-9
        time.sleep(max(0.0, due_s - time.monotonic()))
        message.header.stamp = node.get_clock().now().to_msg()
        message.header.frame_id = 'camera'
        images.publish(message)
        time.sleep(LATE_NS * 1e-9)
        boxes.publish(_detections(message.header, frame, [FOUND] * len(frame.things)))
        truths.publish(_detections(message.header, frame, [x.truth for x in frame.things]))
    truths.wait_for_all_acked()


def _detections(header: Any, frame: RegionFrame, names: Sequence[str]) -> Detection2DArray:
    message = Detection2DArray(header=header)
    for thing, name in zip(frame.things, names, strict=True):
        one = Detection2D(header=header, id=thing.id)
        one.bbox.center.position.x, one.bbox.center.position.y = thing.x, thing.y
        one.bbox.size_x = one.bbox.size_y = float(thing.side)
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = name, 1.0
        one.results = [result]
        message.detections.append(one)
    return message


def main() -> int:
    """Play and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bag', type=Path, required=True)
    parser.add_argument('--compressed', action='store_true', help='send the JPEGs as they are')
    args = parser.parse_args()
    try:
        rclpy.init()
        play(read_region_bag(args.bag), compressed=args.compressed)
    except (DemoError, EevitError) as err:
        print(f'player: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.utilities.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
