"""Camera and detector: play the recording of several things as a process of their own.

    python -m demo.regions.player --bag FOLDER [--compressed]

As `demo.player`; the boxes follow each picture after the time that a detector takes, and their true
classes on a topic of their own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from demo.bag import COMPRESSED_TOPIC
from demo.player import play_pictures, run_player
from demo.regions.bag import DETECTIONS_TOPIC, LATE_NS, TRUE_TOPIC
from eevit_ros.recordings.bag.messages import cdr_of
from eevit_ros.recordings.bag.source import BagSource


@dataclass(frozen=True)
class _Boxed:
    """A picture, what a detector found in it, and what that is."""

    stamp_ns: int
    jpeg: bytes
    boxes: Detection2DArray
    truths: Detection2DArray


def play(frames: Sequence[_Boxed], *, compressed: bool) -> None:
    """Publish all pictures with their boxes once they have subscribers."""
    node = Node('demo_camera')
    boxes, truths = (
        node.create_publisher(Detection2DArray, topic, len(frames))
        for topic in (DETECTIONS_TOPIC, TRUE_TOPIC)
    )

    def follow(frame: _Boxed, header: Header) -> None:
        time.sleep(LATE_NS * 1e-9)
        for publisher, message in ((boxes, frame.boxes), (truths, frame.truths)):
            for part in (message, *message.detections):
                part.header = header
            publisher.publish(message)

    play_pictures(node, frames, follow, [boxes, truths], compressed=compressed)


def _read(path: Path) -> list[_Boxed]:
    source = BagSource(path, COMPRESSED_TOPIC)
    boxes, truths = (source.detections(topic) for topic in (DETECTIONS_TOPIC, TRUE_TOPIC))
    return [
        _Boxed(
            frame.stamp_ns,
            frame.data,
            *(
                deserialize_message(cdr_of(found[frame.stamp_ns, frame.frame_id]), Detection2DArray)
                for found in (boxes, truths)
            ),
        )
        for frame in source
    ]


if __name__ == '__main__':
    sys.exit(
        run_player(
            lambda bag, compressed: play(_read(bag), compressed=compressed),
            __doc__.splitlines()[0],
        )
    )
