"""The recording: one JPEG topic, one truth topic with the same stamps, in an mcap bag.

Reading and writing go through `rosbags`, so no ROS is needed to look into the bag.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from demo.errors import DemoError

IMAGE_TOPIC = '/camera/image_raw'
COMPRESSED_TOPIC = f'{IMAGE_TOPIC}/compressed'
TRUTH_TOPIC = '/camera/truth'
SHIPPED_BAG = Path(__file__).with_name('bag')

_JPEG_TYPE = 'sensor_msgs/msg/CompressedImage'
_TRUTH_TYPE = 'vision_msgs/msg/Classification'
# vision_msgs is in no rosbags type store; a bag carries its definitions, so only writing needs it
_TRUTH_DEFINITIONS = {
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score\n',
    _TRUTH_TYPE: 'std_msgs/Header header\nvision_msgs/ObjectHypothesis[] results\n',
}


@dataclass(frozen=True)
class BagFrame:
    """One recorded frame.

    Attributes:
        stamp_ns: Nanoseconds since the epoch, as recorded.
        jpeg: The compressed picture.
        truth: Name of the class that it shows.
    """

    stamp_ns: int
    jpeg: bytes
    truth: str


def read_bag(path: Path) -> list[BagFrame]:
    """Read every frame of a recording, joined with its truth by stamp.

    Args:
        path: Folder of the bag.

    Raises:
        DemoError: The bag is missing, damaged or empty, or a frame has no truth.
    """
    if not path.is_dir():
        raise DemoError(f'no bag at {path}: restore it with git or python -m demo.make_bag')
    jpegs: dict[int, bytes] = {}
    truths: dict[int, str] = {}
    try:
        with AnyReader([path]) as reader:
            for connection, _, raw in reader.messages():
                if connection.msgtype not in (_JPEG_TYPE, _TRUTH_TYPE):
                    continue
                message: Any = reader.deserialize(raw, connection.msgtype)
                stamp = message.header.stamp
                stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
                if connection.topic == COMPRESSED_TOPIC:
                    jpegs[stamp_ns] = message.data.tobytes()
                elif connection.topic == TRUTH_TOPIC:
                    truths[stamp_ns] = message.results[0].class_id
    except AnyReaderError as err:
        raise DemoError(f'bag {path} cannot be read: {err}') from err
    except Exception as err:  # a damaged file fails anywhere in the parser, with any class
        raise DemoError(f'bag {path} is damaged ({type(err).__name__}: {err})') from err
    if not jpegs:
        raise DemoError(f'bag {path} holds no frame on {COMPRESSED_TOPIC}')
    if missing := jpegs.keys() - truths.keys():
        raise DemoError(
            f'{len(missing)} of {len(jpegs)} frames of bag {path} have no truth on {TRUTH_TOPIC},'
            f' the first at stamp {min(missing)} ns'
        )
    return [BagFrame(stamp, jpegs[stamp], truths[stamp]) for stamp in sorted(jpegs)]


def write_bag(path: Path, frames: Iterable[BagFrame]) -> None:
    """Write frames as a bag, replacing what was at `path`."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    for name, definition in _TRUTH_DEFINITIONS.items():
        types.register(get_types_from_msg(definition, name))
    header_type, time_type, jpeg_type, truth_type, hypothesis_type = (
        types.types[name]
        for name in (
            'std_msgs/msg/Header',
            'builtin_interfaces/msg/Time',
            _JPEG_TYPE,
            _TRUTH_TYPE,
            'vision_msgs/msg/ObjectHypothesis',
        )
    )
    if path.exists():
        shutil.rmtree(path)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        jpegs = writer.add_connection(COMPRESSED_TOPIC, _JPEG_TYPE, typestore=types)
        truths = writer.add_connection(TRUTH_TOPIC, _TRUTH_TYPE, typestore=types)

        def put(connection: Connection, stamp_ns: int, message: object) -> None:
            raw = types.serialize_cdr(message, connection.msgtype)
            writer.write(connection, stamp_ns, raw)

        for frame in frames:
            stamp = time_type(*divmod(frame.stamp_ns, 1_000_000_000))
            header = header_type(stamp=stamp, frame_id='camera')
            data = np.frombuffer(frame.jpeg, np.uint8)
            put(jpegs, frame.stamp_ns, jpeg_type(header=header, format='jpeg', data=data))
            results = [hypothesis_type(class_id=frame.truth, score=1.0)]
            put(truths, frame.stamp_ns, truth_type(header=header, results=results))
