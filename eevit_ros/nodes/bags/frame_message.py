"""From a frame of a recording to the message that is published of it."""

from __future__ import annotations

import sys

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from eevit_ros.images.compressed import compressed_pixels
from eevit_ros.images.encodings import to_rgb
from eevit_ros.images.pixel_range import Pixels
from eevit_ros.recordings.source import SourceFrame

FRAME_ID = 'camera'  # of videos and pictures


def file_format(frame: SourceFrame) -> str:
    """Return the format of a frame that is a picture file, '' if it is none."""
    recorded: str = getattr(frame.message, 'format', '')
    # It says what grey values mean, and that depth has a header before the file.
    means = recorded.lower().startswith(('16uc1', '32fc1', 'bayer', 'compresseddepth'))
    return recorded if means else frame.format


def compressed_message(frame: SourceFrame, kind: str, data: bytes) -> CompressedImage:
    """Return a message that holds a picture file of a format."""
    message = CompressedImage(header=_header(frame), format=kind)
    message.data.frombytes(data)
    return message


def pixels_of(frame: SourceFrame) -> tuple[Pixels, str]:
    """Return the pixels of a frame, and their encoding: rgb8, or more than 8 bits as they are.

    Raises:
        EevitError: It cannot be read.
    """
    recorded = getattr(frame.message, 'format', None)
    if recorded is None and not frame.format:
        return frame.decode(), 'rgb8'
    pixels, encoding = compressed_pixels(frame.data, recorded or '')
    if pixels.itemsize > 1:  # the node's to read, as those of raw images
        return pixels, encoding
    return to_rgb(pixels, encoding, None), 'rgb8'


def raw_message(frame: SourceFrame, pixels: Pixels, encoding: str) -> Image:
    """Return a raw message: as it was recorded, else of pixels (H, W, channels) as `pixels_of`."""
    if hasattr(frame.message, 'encoding'):
        return _as_recorded(frame)
    height, width = pixels.shape[:2]
    message = Image(header=_header(frame), height=height, width=width, encoding=encoding)
    message.step = pixels[0].nbytes
    message.is_bigendian = int(sys.byteorder == 'big')
    message.data.frombytes(pixels.tobytes())
    return message


def _as_recorded(frame: SourceFrame) -> Image:
    """Return a recorded sensor_msgs/Image: more than 8 bits a channel are the node's to read."""
    recorded = frame.message
    message = Image(header=_header(frame), height=recorded.height, width=recorded.width)
    message.encoding, message.step = recorded.encoding, recorded.step
    message.is_bigendian = int(recorded.is_bigendian)
    message.data.frombytes(frame.data)
    return message


def _header(frame: SourceFrame) -> Header:
    header = Header(frame_id=frame.frame_id or FRAME_ID)
    header.stamp.sec, header.stamp.nanosec = divmod(frame.stamp_ns, 1_000_000_000)
    return header
