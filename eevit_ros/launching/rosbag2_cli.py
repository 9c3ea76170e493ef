"""rosbag2 in a launched replay, through its command line alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import yaml

from eevit_ros.replay.errors import ReplayError

TRANSPORTS = {
    'sensor_msgs/msg/Image': 'raw',
    'sensor_msgs/msg/CompressedImage': 'compressed',
}
CLOCK_HZ = 100
# The player starts paused: its clock stands at the start of the bag.
RESUME = 'ros2 service call /rosbag2_player/resume rosbag2_interfaces/srv/Resume'.split()


def is_installed() -> bool:
    """Return whether `ros2 bag` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ('ros2bag', 'rosbag2_py'))


def is_bag(path: Path) -> bool:
    """Return whether the path is a bag as rosbag2 writes it: a folder with metadata."""
    return (path / 'metadata.yaml').is_file()


def recorded_images(path: Path, topic: str) -> tuple[str, str]:
    """Return the topic of a bag's images and their transport, 'raw' or 'compressed'.

    Args:
        path: Folder of the bag.
        topic: Topic to take; '' for the only one with images.

    Raises:
        ReplayError: The metadata cannot be read, or no single topic fits.
    """
    metadata = path / 'metadata.yaml'
    try:
        content = yaml.safe_load(metadata.read_text(encoding='utf-8'))
        entries = content['rosbag2_bagfile_information']['topics_with_message_count']
        topics = [entry['topic_metadata'] for entry in entries]
        kinds = {str(topic['name']): str(topic['type']) for topic in topics}
    except Exception as err:  # missing, not YAML, another structure: one message fits all
        raise ReplayError(f'{metadata} cannot be read ({type(err).__name__}: {err})') from err
    found = {name: TRANSPORTS[kind] for name, kind in kinds.items() if kind in TRANSPORTS}
    named = ', '.join(found) or 'none'
    if topic:
        if topic not in found:
            raise ReplayError(f'{path} has no images on {topic}; topics with images: {named}')
        return topic, found[topic]
    if len(found) != 1:
        raise ReplayError(f'name the topic of the images; {path} has these: {named}')
    return next(iter(found.items()))


def play_command(bag: Path, topic: str, target: str, rate: str) -> list[str]:
    """Return the command that plays one topic of a bag, paused at first, with /clock.

    Args:
        bag: Folder of the bag.
        topic: Recorded topic; nothing else in the bag is played, so no old answers either.
        target: Topic to play it on.
        rate: Playback speed; 1 is the recorded pace.
    """
    command = ['ros2', 'bag', 'play', str(bag), '--start-paused', '--disable-keyboard-controls']
    return [
        *command,
        *('--clock', str(CLOCK_HZ), '--rate', rate),
        *('--topics', topic, '--remap', f'{topic}:={target}'),
    ]


def record_command(output: Path, topics: Sequence[str]) -> list[str]:
    """Return the command that records topics into a new bag, stamped with the time on /clock."""
    return ['ros2', 'bag', 'record', '--use-sim-time', '-o', str(output), *topics]
