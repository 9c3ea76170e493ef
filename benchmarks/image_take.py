"""What rclpy needs to take one raw image: CPU time, as a message and as the bytes that came.

    python -m benchmarks.image_take [--images 60] [--rounds 5]

A camera is a process of its own; both ways are timed in turns. Prints medians of medians of rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sensor_msgs.msg import Image

from benchmarks.camera_feed import SIZES, TOPIC
from eevit_ros.nodes.process import keep_freed_memory
from harness.processes import PROFILE
from harness.ros_process import SENSOR_DATA, NodeProcess, RosPeer

POLL_S = 0.002


def take_ms(peer: RosPeer, images: int, *, raw: bool) -> float:
    """Return the median CPU time of taking an image, milliseconds."""
    subscription = peer.node.create_subscription(Image, TOPIC, print, SENSOR_DATA, raw=raw)
    times = []
    while len(times) < images:
        began = time.thread_time()
        if subscription.handle.take_message(Image, raw) is None:
            time.sleep(POLL_S)
        else:
            times.append((time.thread_time() - began) * 1e3)
    peer.node.destroy_subscription(subscription)
    return statistics.median(times)


def main() -> None:
    """Measure both sizes and print them."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--images', type=int, default=60, help='in a round: %(default)s')
    parser.add_argument('--rounds', type=int, default=5, help='%(default)s')
    args = parser.parse_args()
    keep_freed_memory()  # as the node does
    os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))
    print(f'{"frame":<12}{"message, ms":>14}{"bytes, ms":>12}')
    for size in SIZES:
        feed = (sys.executable, '-m', 'benchmarks.camera_feed', size, 'bgr8', '15')
        with tempfile.TemporaryDirectory() as folder, RosPeer() as peer:
            with NodeProcess(peer.domain_id, [], Path(folder) / 'camera.log', feed):
                rounds = [
                    [take_ms(peer, args.images, raw=raw) for raw in (False, True)]
                    for _ in range(args.rounds)
                ]
        message, data = (statistics.median(times) for times in zip(*rounds, strict=True))
        print(f'{size:<12}{message:>14.2f}{data:>12.2f}')


if __name__ == '__main__':
    main()
