"""A camera for benchmarks of the node, as a process of its own.

    python -m benchmarks.camera_feed SIZE FORMAT HZ --ros-args ...

Publishes pictures of the demo bag until it is killed, each stamped as it goes out.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image

from demo.bag import SHIPPED_BAG, read_bag
from eevit_ros.images.compressed import decode_compressed
from harness.classifier_peer import compressed_bytes, stamp_now
from harness.ros_process import SENSOR_DATA
from harness.videos import packets

TOPIC = '/camera/image_raw'
SIZES = {'640x480': (480, 640), '1920x1080': (1080, 1920)}
FORMATS = {
    'bgr8': (TOPIC, Image),
    'jpeg': (f'{TOPIC}/compressed', CompressedImage),
    'h264': (f'{TOPIC}/compressed', CompressedImage),
}
PICTURES = 24
NOISE = 2.0  # standard deviation of a sensor's, of 255: without it large JPEGs were too small
QUALITY = 90


def main() -> None:
    """Publish at a fixed rate."""
    size, kind, hz = remove_ros_args(sys.argv)[1:]
    messages = camera_messages(SIZES[size], kind)
    period_s = 1.0 / float(hz)
    rclpy.init(args=sys.argv)
    topic, message_type = FORMATS[kind]
    publisher = rclpy.create_node('camera').create_publisher(message_type, topic, SENSOR_DATA)
    due, sent = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        publisher.publish(stamp_now(messages[sent % len(messages)]))
        sent += 1
        # Late ones are left out, not sent in a burst: no camera does that.
        due = max(due + period_s, time.monotonic())


def camera_messages(size: tuple[int, int], kind: str) -> list[Any]:
    """Return messages to publish in turn, none like the one before.

    Args:
        size: Height and width; the bag's 640x480 are enlarged and lose top and bottom.
        kind: A key of `FORMATS`. Video begins with a key frame, so that it may start again.
    """
    rng = np.random.default_rng(0)
    frames = read_bag(SHIPPED_BAG)
    images = []
    for frame in frames[:: len(frames) // PICTURES][:PICTURES]:
        image = np.ascontiguousarray(decode_compressed(frame.jpeg, 'jpeg')[:, :, ::-1])  # BGR
        height, width = size
        if image.shape[:2] != size:
            whole = (width, round(width * image.shape[0] / image.shape[1]))
            top = (whole[1] - height) // 2
            large = cv2.resize(image, whole, interpolation=cv2.INTER_CUBIC)
            image = np.asarray(large, np.uint8)[top : top + height]
        noise = rng.standard_normal(image.shape, np.float32) * NOISE
        images.append(np.clip(image + noise, 0, 255).astype(np.uint8))
    if kind == 'h264':
        rgb = [np.ascontiguousarray(image[:, :, ::-1]) for image in images]
        stream = packets(rgb, preset='veryfast', tune='zerolatency', g=str(PICTURES))
        return [compressed_bytes(packet, 'h264') for packet in stream]
    return [_message(image, kind) for image in images]


def _message(bgr: np.ndarray, kind: str) -> Any:
    if kind == 'jpeg':
        data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        return compressed_bytes(data.tobytes(), 'bgr8; jpeg compressed bgr8')
    height, width, _ = bgr.shape
    message = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    message.data.frombytes(bgr.tobytes())
    return message


if __name__ == '__main__':
    main()
