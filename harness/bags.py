"""Small bags of images, written by `rosbags` and by `mcap`: not by anything of ours."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mcap.writer import Writer as McapWriter
from PIL import Image as Pillow
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

CAMERA = '/camera/image_raw'
TRUTH = '/camera/truth'
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CLASSIFICATION = 'vision_msgs/msg/Classification'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
START_NS = 1_700_000_000_123_456_789
DELAY_NS = 5_000_000  # from stamp to log time
STEP_NS = 66_666_667
HEIGHT, WIDTH = 12, 16

ROS2 = get_typestore(Stores.ROS2_HUMBLE)
for _name, _text in {
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score\n',
    CLASSIFICATION: 'std_msgs/Header header\nvision_msgs/ObjectHypothesis[] results\n',
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y\n',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'vision_msgs/msg/BoundingBox2D': (
        'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n'
    ),
    'vision_msgs/msg/ObjectHypothesisWithPose': (
        'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
    ),
    'vision_msgs/msg/Detection2D': (
        'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
        'vision_msgs/BoundingBox2D bbox\nstring id\n'
    ),
    DETECTIONS: 'std_msgs/Header header\nvision_msgs/Detection2D[] detections\n',
}.items():
    ROS2.register(get_types_from_msg(_text, _name))
ROS1 = get_typestore(Stores.ROS1_NOETIC)

# Topic, type, log time, message.
Entry = tuple[str, str, int, Any]


def pixels(level: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return an RGB picture that tells its level and its sides apart."""
    picture = np.full((height, width, 3), level % 256, np.uint8)
    picture[:1] = (255, 0, 0)
    picture[:, :1] = (0, 0, 255)
    return picture


def stamp_of(index: int) -> int:
    return START_NS + index * STEP_NS


def header(stamp_ns: int, types: Any = ROS2) -> Any:
    stamp = types.types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9))
    more = {'seq': 7} if types is ROS1 else {}
    return types.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera', **more)


def image(
    stamp_ns: int,
    level: int = 0,
    *,
    encoding: str = 'rgb8',
    height: int = HEIGHT,
    width: int = WIDTH,
    types: Any = ROS2,
) -> Any:
    channels = 1 if encoding.startswith('mono') else 3
    data = pixels(level, height, width)
    data = data[..., 1] if channels == 1 else data[..., ::-1] if encoding == 'bgr8' else data
    return types.types[IMAGE](
        header=header(stamp_ns, types),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=channels * width,
        data=np.ascontiguousarray(data).ravel(),
    )


def picture_file(level: int, kind: str = 'PNG') -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels(level)).save(file, kind)
    return file.getvalue()


def compressed(stamp_ns: int, level: int = 0, kind: str = 'PNG', types: Any = ROS2) -> Any:
    return types.types[COMPRESSED](
        header=header(stamp_ns, types),
        format=f'rgb8; {kind.lower()} compressed bgr8',
        data=np.frombuffer(picture_file(level, kind), np.uint8),
    )


def classification(stamp_ns: int, scores: dict[str, float]) -> Any:
    hypothesis = ROS2.types['vision_msgs/msg/ObjectHypothesis']
    results = [hypothesis(class_id=name, score=score) for name, score in scores.items()]
    return ROS2.types[CLASSIFICATION](header=header(stamp_ns), results=results)


def detections(
    stamp_ns: int, boxes: Sequence[tuple[float, float, float, float, str]], frame_id: str = 'camera'
) -> Any:
    """Return a detector's message: centre x, y, width, height and class of each box."""
    types = ROS2.types
    head = header(stamp_ns)
    head.frame_id = frame_id
    zero = types['geometry_msgs/msg/Point'](x=0.0, y=0.0, z=0.0)
    level = types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0)
    pose = types['geometry_msgs/msg/PoseWithCovariance'](
        pose=types['geometry_msgs/msg/Pose'](position=zero, orientation=level),
        covariance=np.zeros(36),
    )
    found = []
    for index, (x, y, width, height, name) in enumerate(boxes):
        centre = types['vision_msgs/msg/Pose2D'](
            position=types['vision_msgs/msg/Point2D'](x=x, y=y), theta=0.0
        )
        best = types['vision_msgs/msg/ObjectHypothesis'](class_id=name, score=0.9)
        found.append(
            types['vision_msgs/msg/Detection2D'](
                header=head,
                results=[
                    types['vision_msgs/msg/ObjectHypothesisWithPose'](hypothesis=best, pose=pose)
                ],
                bbox=types['vision_msgs/msg/BoundingBox2D'](
                    center=centre, size_x=width, size_y=height
                ),
                id=str(index),
            )
        )
    return types[DETECTIONS](header=head, detections=found)


def images(
    count: int, start: int = 0, topic: str = CAMERA, types: Any = ROS2, **options: Any
) -> list[Entry]:
    """Return images whose level is their number; each is logged 5 ms after its stamp."""
    return [
        (topic, IMAGE, stamp_of(i) + 5_000_000, image(stamp_of(i), i, types=types, **options))
        for i in range(start, start + count)
    ]


def truths(labels: Iterable[str]) -> list[Entry]:
    """Return one label for each image, the best in the middle."""
    return [
        (
            TRUTH,
            CLASSIFICATION,
            stamp_of(i) + 6_000_000,
            classification(stamp_of(i), {'other': 0.1, label: 0.8, 'none': 0.2}),
        )
        for i, label in enumerate(labels)
    ]


def write_bag(
    path: Path,
    entries: Sequence[Entry],
    storage: str = 'mcap',
    compression: CompressionMode = CompressionMode.NONE,
    silent: str = '',
) -> Path:
    """Write a rosbag2 folder and return it; on the topic `silent` there is no image."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, kind, log_ns, message in entries:
            if (topic, kind) not in connections:
                connections[topic, kind] = writer.add_connection(topic, kind, typestore=ROS2)
            raw = message if isinstance(message, bytes) else ROS2.serialize_cdr(message, kind)
            writer.write(connections[topic, kind], log_ns, raw)
        if silent:
            writer.add_connection(silent, IMAGE, typestore=ROS2)
    return path


def storage_file(bag: Path) -> Path:
    (file,) = (x for x in bag.iterdir() if x.name != 'metadata.yaml')
    return file


def write_split(path: Path, parts: Sequence[Sequence[Entry]], storage: str = 'mcap') -> Path:
    """Write a bag in several files, as a recorder with a size limit does."""
    path.mkdir()
    names = []
    for number, entries in enumerate(parts):
        part = write_bag(path / f'part{number}', entries, storage)
        names.append(f'{path.name}_{number}.{storage_file(part).suffix[1:]}')
        storage_file(part).rename(path / names[-1])
        metadata = yaml.safe_load((part / 'metadata.yaml').read_text())
        (part / 'metadata.yaml').unlink()
        part.rmdir()
    metadata['rosbag2_bagfile_information']['relative_file_paths'] = names
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    return path


def without_definitions(bag: Path) -> Path:
    """Turn a SQLite bag into one as Humble's recorder writes it: types by name only."""
    with closing(sqlite3.connect(storage_file(bag))) as database:
        for table in ('schema', 'metadata', 'message_definitions'):
            database.execute(f'DROP TABLE {table}')
        database.execute('ALTER TABLE topics DROP COLUMN type_description_hash')
        database.commit()
    return bag


def write_mcap(path: Path, entries: Sequence[Entry], profile: str = 'ros2', **options: Any) -> Path:
    """Write an mcap file by the library of the format's inventors."""
    ros1 = profile == 'ros1'
    types = ROS1 if ros1 else ROS2
    with path.open('wb') as file:
        writer = McapWriter(file, **options)
        writer.start(profile=profile, library='test')
        channels: dict[tuple[str, str], int] = {}
        for topic, kind, log_ns, message in entries:
            if (topic, kind) not in channels:
                definition, _ = types.generate_msgdef(kind, ros_version=1 if ros1 else 2)
                schema = writer.register_schema(
                    name=kind.replace('/msg/', '/') if ros1 else kind,
                    encoding='ros1msg' if ros1 else 'ros2msg',
                    data=definition.encode(),
                )
                channels[topic, kind] = writer.register_channel(
                    topic=topic, message_encoding='ros1' if ros1 else 'cdr', schema_id=schema
                )
            serialize = types.serialize_ros1 if ros1 else types.serialize_cdr
            writer.add_message(
                channels[topic, kind], log_ns, bytes(serialize(message, kind)), publish_time=log_ns
            )
        writer.finish()
    return path


def write_ros1(path: Path, entries: Sequence[Entry]) -> Path:
    with Writer1(path) as writer:
        connections: dict[str, Any] = {}
        for topic, kind, log_ns, message in entries:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=ROS1)
            writer.write(connections[topic], log_ns, ROS1.serialize_ros1(message, kind))
    return path


def record_images(path: Path, levels: list[int | None]) -> Path:
    """Write a bag of rgb8 images at 15 Hz, of these brightnesses; None is a broken image."""
    entries = []
    for index, level in enumerate(levels):
        message = image(stamp_of(index), level or 0)
        if level is None:
            message.data = message.data[:-1]
        entries.append((CAMERA, IMAGE, stamp_of(index) + DELAY_NS, message))
    return write_bag(path, entries)


def record_files(path: Path, kinds: list[str]) -> Path:
    """Write a bag of JPEG and PNG files at 15 Hz, the brightness of each its number."""
    return write_bag(
        path,
        [
            (
                f'{CAMERA}/compressed',
                COMPRESSED,
                stamp_of(index) + DELAY_NS,
                compressed(stamp_of(index), index, kind),
            )
            for index, kind in enumerate(kinds)
        ],
    )
