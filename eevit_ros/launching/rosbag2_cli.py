"""rosbag2 in a launched replay, through its command line alone."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from eevit_ros.parameters.classifier import TRANSPORTS
from eevit_ros.parameters.topics import DETECTIONS, IMAGE
from eevit_ros.recordings.bag.listing import MCAP_MAGIC, METADATA, list_parts
from eevit_ros.recordings.bag.topics import Topic, cameras, image_topic, spelled
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.replay.errors import ReplayError

RECORDED_AS = dict(zip(IMAGE.types, TRANSPORTS, strict=True))
CLOCK_HZ = 100
RECORDER_NODE = 'rosbag2_recorder'
# The player starts paused: its clock stands at the start of the bag.
RESUME = 'ros2 service call /rosbag2_player/resume rosbag2_interfaces/srv/Resume'.split()


def is_installed() -> bool:
    """Return whether `ros2 bag` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ('ros2bag', 'rosbag2_py'))


def is_bag(path: Path) -> bool:
    """Return whether rosbag2 plays all of a path: a folder whose metadata names what is there.

    Of an .mcap file that was cut off, rosbag2 plays what it can and calls that a success.
    """
    try:
        if not (path / METADATA).is_file():
            return False
        found = list_parts(path)
        return not found.problems and all(_has_end(x) for part in found.listed for x in part)
    except (RecordingError, OSError):
        return False


def _has_end(file: Path) -> bool:
    """Return whether a file ends as its recorder closes it; of other files than .mcap: True.

    Raises:
        OSError: It cannot be read, or is shorter than the end.
    """
    if file.suffix.lower() != '.mcap':
        return True
    with file.open('rb') as content:
        content.seek(-len(MCAP_MAGIC), os.SEEK_END)
        return content.read() == MCAP_MAGIC


def recorded_images(path: Path, topic: str) -> tuple[str, str, int]:
    """Return the topic of a bag's images, their transport and their number.

    Args:
        path: Folder of the bag.
        topic: Topic to take, see `image_topic`; '' for the only one with images.

    Raises:
        ReplayError: The metadata cannot be read, or no single topic fits.
    """
    topics = recorded_topics(path)
    found = {name: RECORDED_AS[kind] for name, (kind, _) in topics.items() if kind in RECORDED_AS}
    named = ', '.join(found) or 'none'
    if topic:
        images = {Topic(name, topics[name][0], ''): topics[name][1] for name in found}
        topic = image_topic(topic, images) or topic
        if topic not in found:
            raise ReplayError(f'{path} has no images on {topic}; topics with images: {named}')
    else:
        # Recorded with -a, a bag also has the transports that nobody published.
        spoken = cameras([name for name in found if topics[name][1]] or list(found))
        if len(spoken) != 1:
            named = ', '.join(spoken) or 'none'
            raise ReplayError(f"name the topic of the images by 'topic'; {path} has these: {named}")
        topic = spoken[0]
    return topic, found[topic], topics[topic][1]


def recorded_detections(path: Path, topic: str) -> str:
    """Return a topic of a bag's detections as the bag writes it.

    Raises:
        ReplayError: The metadata cannot be read, or there is no such topic.
    """
    topics = recorded_topics(path)
    found = [
        Topic(name, kind, '') for name, (kind, _) in topics.items() if kind in DETECTIONS.types
    ]
    if not (name := spelled(topic, found)):
        named = ', '.join(x.name for x in found) or 'none'
        raise ReplayError(f'{path} has no detections on {topic}; topics with detections: {named}')
    return name


def recorded_topics(path: Path) -> dict[str, tuple[str, int]]:
    """Return type and number of messages of every topic of a bag, by name.

    Raises:
        ReplayError: The metadata cannot be read.
    """
    metadata = path / 'metadata.yaml'
    try:
        content = yaml.safe_load(metadata.read_text(encoding='utf-8'))
        entries = content['rosbag2_bagfile_information']['topics_with_message_count']
        found = {}
        for entry in entries:
            topic = entry['topic_metadata']
            found[str(topic['name'])] = (str(topic['type']), int(entry['message_count']))
    except Exception as err:  # missing, not YAML, another structure: one message fits all
        raise ReplayError(f'{metadata} cannot be read ({type(err).__name__}: {err})') from err
    return found


def play_command(bag: Path, topics: Mapping[str, str], rate: str) -> list[str]:
    """Return the command that plays topics of a bag, paused at first, with /clock.

    Args:
        bag: Folder of the bag.
        topics: By recorded topic the topic to play it on; nothing else in the bag is played, so no
            old answers either.
        rate: Playback speed; 1 is the recorded pace.
    """
    command = ['ros2', 'bag', 'play', str(bag), '--start-paused', '--disable-keyboard-controls']
    return [
        *command,
        *('--clock', str(CLOCK_HZ), '--rate', rate),
        *('--topics', *topics),
        *('--remap', *(f'{recorded}:={played}' for recorded, played in topics.items())),
    ]


def record_command(output: Path, topics: Sequence[str]) -> list[str]:
    """Return the command that records topics into a new bag, stamped with the time on /clock."""
    # Humble knows no --topics, Lyrical no topics without it; a pattern is read by all.
    pattern = f'^({"|".join(topics)})$'
    return ['ros2', 'bag', 'record', '--use-sim-time', '-o', str(output), '--regex', pattern]
