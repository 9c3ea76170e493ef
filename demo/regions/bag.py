"""The recording of several things: pictures, a detector's boxes, and their true classes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo.bag import COMPRESSED_TOPIC
from eevit_ros.recordings.bag.types import typestore
from eevit_ros.recordings.bag.writer import RawBag

DETECTIONS_TOPIC = '/detector/detections'
TRUE_TOPIC = '/camera/objects'
LATE_NS = 40_000_000  # of the detector
FOUND = 'thing'  # all that the detector knows

_JPEG = 'sensor_msgs/msg/CompressedImage'
_DETECTIONS = 'vision_msgs/msg/Detection2DArray'


@dataclass(frozen=True)
class Thing:
    """One thing in a picture.

    Attributes:
        id: Of the tracker.
        x: Centre, pixels.
        y: Centre, pixels.
        side: Of its square box, pixels.
        truth: Name of its class.
    """

    id: str
    x: float
    y: float
    side: float
    truth: str


@dataclass(frozen=True)
class RegionFrame:
    """One picture.

    Attributes:
        stamp_ns: Nanoseconds since the epoch.
        jpeg: The compressed picture.
        things: What is in it.
    """

    stamp_ns: int
    jpeg: bytes
    things: tuple[Thing, ...]


def write_region_bag(path: Path, frames: Iterable[RegionFrame]) -> None:
    """Write frames as a bag, replacing what was at `path`."""
    if path.exists():
        shutil.rmtree(path)
    bag, types = RawBag(path), typestore()
    jpegs = bag.add(COMPRESSED_TOPIC, _JPEG, latched=False)
    boxes = bag.add(DETECTIONS_TOPIC, _DETECTIONS, latched=False)
    truths = bag.add(TRUE_TOPIC, _DETECTIONS, latched=False)
    for frame in frames:
        stamp = _make('builtin_interfaces/msg/Time', *divmod(frame.stamp_ns, 1_000_000_000))
        header = _make('std_msgs/msg/Header', stamp=stamp, frame_id='camera')
        data = np.frombuffer(frame.jpeg, np.uint8)
        picture = _make(_JPEG, header=header, format='jpeg', data=data)
        bag.write(jpegs, frame.stamp_ns, bytes(types.serialize_cdr(picture, _JPEG)))
        for connection, late_ns, names in (
            (boxes, LATE_NS, [FOUND] * len(frame.things)),
            (truths, LATE_NS, [thing.truth for thing in frame.things]),
        ):
            found = [_detection(header, *pair) for pair in zip(frame.things, names, strict=True)]
            message = _make(_DETECTIONS, header=header, detections=found)
            raw = bytes(types.serialize_cdr(message, _DETECTIONS))
            bag.write(connection, frame.stamp_ns + late_ns, raw)
    bag.close()


def _detection(header: Any, thing: Thing, name: str) -> Any:
    zero = _make('geometry_msgs/msg/Point', x=0.0, y=0.0, z=0.0)
    level = _make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
    pose = _make('geometry_msgs/msg/Pose', position=zero, orientation=level)
    result = _make(
        'vision_msgs/msg/ObjectHypothesisWithPose',
        hypothesis=_make('vision_msgs/msg/ObjectHypothesis', class_id=name, score=1.0),
        pose=_make('geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=np.zeros(36)),
    )
    place = _make('vision_msgs/msg/Point2D', x=thing.x, y=thing.y)
    centre = _make('vision_msgs/msg/Pose2D', position=place, theta=0.0)
    box = _make(
        'vision_msgs/msg/BoundingBox2D',
        center=centre,
        size_x=float(thing.side),
        size_y=float(thing.side),
    )
    return _make(
        'vision_msgs/msg/Detection2D', header=header, results=[result], bbox=box, id=thing.id
    )


def _make(kind: str, *values: Any, **fields: Any) -> Any:
    return typestore().types[kind](*values, **fields)
