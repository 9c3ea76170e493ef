"""Topics of a bag, and which of them a name stands for. Needs nothing but Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.recordings.errors import RecordingError

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
FFMPEG_PACKET = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
COMPRESSED_VIDEO = 'foxglove_msgs/msg/CompressedVideo'
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE, FFMPEG_PACKET, COMPRESSED_VIDEO)
CLASSIFICATION = 'vision_msgs/msg/Classification'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'

ROS_1 = 'ros1'

_DRAWN = '/annotated/compressed'


@dataclass(frozen=True)
class Topic:
    """One kind of message on one topic.

    Attributes:
        name: Name of the topic.
        type: Message type in the form of ROS 2, package/msg/Name, for ROS 1 too.
        encoding: Encoding of the messages: 'cdr' or 'ros1'.
    """

    name: str
    type: str
    encoding: str


def choose_topic(path: Path, wanted: str | None, topics: Mapping[Topic, int]) -> str:
    """Return the topic of the images to replay.

    Args:
        path: The bag, for errors.
        wanted: The topic that was asked for; None takes the only one with images.
        topics: Number of messages of each topic.

    Raises:
        RecordingError: There is none, or more than one; lists those that there are.
    """
    images = {x: count for x, count in topics.items() if x.type in IMAGE_TYPES}
    present = (
        f'its image topics are {listed(images)}'
        if images
        else f'it holds no images, only {listed(topics)}'
        if topics
        else 'it holds no messages (a snapshot that nobody took?)'
    )
    if wanted is None:
        names = cameras(sorted({x.name for x, count in images.items() if count}))
        if len(names) > 1:
            raise RecordingError(
                f'{path} has several image topics, name one, or several cameras '
                f'each by CAMERA=TOPIC: {present}'
            )
        if not names:
            raise RecordingError(f'{path} has no images to replay: {present}')
        return names[0]
    wanted = image_topic(wanted, images) or spelled(wanted, topics) or wanted
    kinds = [x for x in topics if x.name == wanted]
    if not kinds:
        raise RecordingError(f'{path} has no topic {wanted}: {present}')
    if not any(x in images for x in kinds):
        raise RecordingError(f'topic {wanted} of {path} is of type {kinds[0].type}: {present}')
    if not any(images.get(x) for x in kinds):
        raise RecordingError(f'topic {wanted} of {path} is empty: {present}')
    return wanted


def cameras(names: Sequence[str]) -> list[str]:
    """Return the topics of images without those that a classifier drew, unless there is no other.

    Recorded with -a, a bag has them, too.
    """
    return [name for name in names if not name.endswith(_DRAWN)] or list(names)


def topics_by_camera(given: Iterable[str]) -> dict[str, str]:
    """Return the topics of 'CAMERA=TOPIC' by camera, or that of 'TOPIC' by ''.

    Args:
        given: Each holds one, or several between commas.

    Raises:
        RecordingError: They do not fit together.
    """
    found: dict[str, str] = {}
    for text in (part.strip() for several in given for part in several.split(',') if part):
        camera, named, topic = text.rpartition('=')
        if camera in found or (named and not camera) or not topic:
            raise RecordingError(
                f'topic {text!r}: give one TOPIC, or of several cameras each CAMERA=TOPIC once'
            )
        found[camera] = topic
    if '' in found and len(found) > 1:
        raise RecordingError(f'topic {found[""]} does not say of which camera: give CAMERA=TOPIC')
    return found


def image_topic(wanted: str, images: Mapping[Topic, int]) -> str:
    """Return the topic with messages that a name stands for, '' for none.

    It may lack the slash in front, or be the base name of the only compressed topic. Recorded with
    -a, a bag also has the transports that nobody published.

    Args:
        wanted: The name.
        images: Number of messages of each topic of images.
    """
    spoken = [x for x, count in images.items() if count]
    return spelled(wanted, spoken) or _of_base(wanted, spoken)


def spelled(wanted: str, topics: Iterable[Topic]) -> str:
    """Return a topic as the bag writes it, with or without the slash in front; '' for none."""
    bare = wanted.strip('/')
    names = {x.name for x in topics}
    return next((x for x in (wanted, f'/{bare}', bare) if x in names), '')


def _of_base(wanted: str, images: Iterable[Topic]) -> str:
    """Return the only compressed topic of a base name as image_transport has it; '' for none."""
    names = {
        x.name
        for x in images
        if x.type != IMAGE and x.name.rpartition('/')[0].strip('/') == wanted.strip('/')
    }
    return names.pop() if len(names) == 1 else ''


def listed(topics: Mapping[Topic, int]) -> str:
    """Return topics with type and number of messages, for people."""
    entries = sorted(topics.items(), key=lambda entry: entry[0].name)
    return ', '.join(f'{x.name} ({x.type}, {count} messages)' for x, count in entries)


def ros2_type(name: str) -> str:
    """Return a type in the form of ROS 2: in ROS 1 sensor_msgs/Image lacks the 'msg'."""
    package, _, rest = name.partition('/')
    return name if not rest or '/' in rest else f'{package}/msg/{rest}'
