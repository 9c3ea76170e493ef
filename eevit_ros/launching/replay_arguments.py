"""The arguments of launch/replay.launch.py, checked, and what follows from them."""

from __future__ import annotations

from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.launching import rosbag2_cli as rosbag2
from eevit_ros.parameters.bags import PlayerSettings
from eevit_ros.recordings.bag.topics import topics_by_camera
from eevit_ros.replay.errors import ReplayError
from eevit_ros.settings import specs

OWN_RECORDER = 'bag_recorder'


def prepare(given: dict[str, str]) -> None:
    """Check the arguments, and choose player and transport by the bag.

    Raises:
        ReplayError: The bag cannot be played as asked, or the output exists.
    """
    bag, output = (Path(given[name]).expanduser() for name in ('bag', 'output'))
    if not bag.exists():
        raise ReplayError(f'bag: there is no {given["bag"]!r}')
    if output.exists():
        raise ReplayError(f'output: {given["output"]!r} exists already: remove it, or name another')
    check_rate(given['rate'])
    cameras = cameras_of(given)
    if boxes_of(given).keys() - set(cameras or ['']):
        whose = f'CAMERA=TOPIC,... of {", ".join(cameras)}' if cameras else 'one topic'
        raise ReplayError(f'detections: give {whose}. Got {given["detections"]!r}')
    # navigation.launch.py reads it: each is played on its <camera>/image.
    given['cameras'] = ','.join(cameras)
    if cameras and given['player'] == 'rosbag2':
        raise ReplayError('player: several cameras are played by player:=eevit alone')
    if given['player'] == 'auto':
        ours = bool(cameras) or not (rosbag2.is_installed() and rosbag2.is_bag(bag))
        given['player'] = 'eevit' if ours else 'rosbag2'
    if given['player'] == 'eevit':
        given['transport'] = given['transport'] or 'raw'
    else:
        prepare_rosbag2(bag, given)
    # navigation.launch.py reads these: a node that crashes ends the replay, and nobody takes over.
    given['image_transport'] = given['transport']
    given['respawn'] = given['standby'] = 'false'
    given['use_sim_time'] = 'true'  # whatever the parameter files say
    # Nobody drives: the recorder takes the place of the controller.
    given['controller'] = OWN_RECORDER if given['player'] == 'eevit' else rosbag2.RECORDER_NODE


def cameras_of(given: dict[str, str]) -> list[str]:
    """Return the names of several cameras; none for the only one.

    Raises:
        RecordingError: The topics make no sense.
    """
    return [camera for camera in topics_by_camera([given['topic']]) if camera]


def boxes_of(given: dict[str, str]) -> dict[str, str]:
    """Return the topic of each camera's detections, of the only one by ''.

    Raises:
        RecordingError: The topics make no sense.
    """
    return topics_by_camera([given['detections']])


def check_rate(text: str) -> None:
    """Check the rate as the player does, but before anything starts.

    Raises:
        ReplayError: The rate is no number, or out of range.
    """
    spec = specs(PlayerSettings)['rate']
    try:
        spec.checked('rate', float(text))
    except (ValueError, EevitError) as err:
        rule = f'must be a number from {spec.low} to {spec.high}'
        raise ReplayError(f'rate: {rule}. Got {text!r}') from err


def prepare_rosbag2(bag: Path, given: dict[str, str]) -> None:
    """Set topic and transport as rosbag2 will play them.

    Raises:
        ReplayError: rosbag2 is not installed, or cannot play what is asked.
    """
    if not rosbag2.is_installed():
        raise ReplayError('player: rosbag2 is not installed: install it, or use player:=eevit')
    given['topic'], recorded, _ = rosbag2.recorded_images(bag, given['topic'])
    if given['detections']:
        given['detections'] = rosbag2.recorded_detections(bag, given['detections'])
    if given['transport'] not in ('', recorded):
        raise ReplayError(
            f'transport: {given["topic"]} was recorded {recorded}, and rosbag2 plays only what was '
            f'recorded. Got {given["transport"]!r}: omit it, or use player:=eevit'
        )
    given['transport'] = recorded
