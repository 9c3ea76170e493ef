"""The installed replay.launch.py with all four installed nodes, for real."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

launch_pytest = pytest.importorskip(
    'launch_pytest', reason='launch_pytest comes with ROS 2 and is not on PyPI'
)
pytest.importorskip('onnx', reason='the tiny model is made with onnx: pip install onnx')
pytest.importorskip('rosbags', reason='bags are read with rosbags: pip install rosbags')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from launch.actions import RegisterEventHandler  # noqa: E402
from launch.event_handlers import OnProcessExit  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402

from eevit_ros.launching import rosbag2_cli  # noqa: E402
from harness.bags import (  # noqa: E402
    CAMERA,
    DETECTIONS,
    IMAGE,
    detections,
    image,
    record_files,
    record_images,
    stamp_of,
    write_bag,
)
from harness.ros_process import DEADLINE_S, RosPeer  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402
from launch import LaunchDescription  # noqa: E402
from test.launch.launched_processes import Processes, processes_with, ros2_launch  # noqa: E402

LAUNCH_FILE = 'replay.launch.py'
WHITE, BLACK = [255, 254, 253, 252], [1, 2, 3, 4]
LEVELS = WHITE + BLACK + WHITE
BOX = [(8.0, 6.0, 8.0, 8.0, 'thing')]

needs_rosbag2 = pytest.mark.skipif(
    not rosbag2_cli.is_installed(), reason='rosbag2 is not installed'
)


@pytest.fixture
def peer(monkeypatch):
    with RosPeer() as peer:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(peer.domain_id))
        yield peer


@pytest.fixture
def arguments(tmp_path) -> dict[str, str]:
    """A slow replay, so that a busy machine answers every image, with our own player."""
    return {
        'bag': str(record_images(tmp_path / 'bag', LEVELS)),
        'output': str(tmp_path / 'recording'),
        'player': 'eevit',
        'rate': '0.5',
        'model': str(write_tiny_model(tmp_path / 'tiny.onnx')),
        'namespace': 'robot1',
        'sigterm_timeout': str(DEADLINE_S),  # launch's own 5 s are short for a busy machine
    }


@pytest.fixture
def ended() -> list[tuple[str, int]]:
    """Which processes ended and how, in that order."""
    return []


@pytest.fixture
def answers(peer):
    """What an echo, open from the start, hears of the answers."""
    return peer.listen(DiagnosticArray, '/robot1/classifier/frame')


@pytest.fixture
def processes() -> Processes:
    return Processes()


def watched(processes, ended, arguments) -> LaunchDescription:
    def note(event, _):
        ended.append((event.process_name.rpartition('-')[0], event.returncode))

    included = processes.watched(LAUNCH_FILE, **arguments)
    handler = RegisterEventHandler(OnProcessExit(on_exit=note))
    return LaunchDescription([handler, *included.entities])


@launch_pytest.fixture
def launched(processes, ended, peer, arguments):
    return watched(processes, ended, arguments)


@pytest.mark.launch(fixture=launched)
def test_records_the_answers_and_ends_by_itself(peer, ended, answers, arguments, launch_service):
    peer.until(launch_service.task.done, 'the end of the launch')

    assert [name for name, _ in ended][0] == 'bag_player'
    assert {name for name, _ in ended[1:3]} == {'classifier', 'speed_governor'}
    assert ended[3:] == [('bag_recorder', 0)]
    assert [code for _, code in ended] == [0, 0, 0, 0]
    recorded = recorded_exit_layers(Path(arguments['output']))
    for index, level in enumerate(LEVELS):
        assert recorded.get(stamp_of(index)) in (None, '1' if level > 127 else '4')
    assert len(recorded) > len(LEVELS) // 2
    # Somebody else listened from the start: all that was said then was recorded.
    stamps = [one.header.stamp for one in answers]
    assert {stamp.sec * 10**9 + stamp.nanosec for stamp in stamps} <= set(recorded)


def recorded_exit_layers(bag: Path) -> dict[int, str]:
    """Return by stamp what /robot1/classifier/frame says; the other topics must be there, too."""
    layers = {}
    with AnyReader([bag]) as reader:
        assert {'/robot1/speed_limit', '/robot1/classifier/label_info'} < set(reader.topics)
        for connection, time_ns, raw in reader.messages():
            assert stamp_of(0) <= time_ns < stamp_of(0) + 60 * 10**9  # recorded time
            if connection.topic == '/robot1/classifier/frame':
                message = reader.deserialize(raw, connection.msgtype)
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                values = {item.key: item.value for item in message.status[0].values}
                layers[stamp] = values['exit_layer']
                assert float(values['age_ms']) >= 0  # no clock mismatch
    return layers


@launch_pytest.fixture
def long(processes, ended, peer, arguments):
    """A replay of most of a minute."""
    return watched(processes, ended, {**arguments, 'rate': '0.02'})


@pytest.mark.launch(fixture=long)
def test_a_crash_ends_everything_and_the_recording_is_good(
    peer, processes, ended, answers, arguments, launch_service
):
    # What a killed process has just said may not have reached everybody: the first answer has.
    peer.until(lambda: len(answers) == 2, 'the second answer')
    os.kill(processes.pids['classifier'][0], signal.SIGKILL)
    peer.until(launch_service.task.done, 'the end of the launch')

    assert launch_service.task.result() == 1  # by an error at the end of the recorder
    assert ended[0] == ('classifier', -signal.SIGKILL)
    assert {name for name, _ in ended[1:]} == {'bag_player', 'speed_governor'}
    assert recorded_exit_layers(Path(arguments['output']))


@pytest.mark.launch(fixture=long)
def test_an_interruption_leaves_a_good_recording(peer, ended, answers, arguments):
    peer.until(lambda: answers, 'an answer')

    yield  # launch shuts down

    assert len(ended) == 4
    assert ('bag_recorder', 0) in ended
    assert recorded_exit_layers(Path(arguments['output']))


def bag_with_boxes(path: Path, cameras: list[str]) -> Path:
    """Write images and one box on each, on /<camera>/image and /<camera>/boxes."""
    entries = []
    for index, level in enumerate(LEVELS):
        stamp = stamp_of(index)
        for camera in cameras:
            entries += [
                (f'/{camera}/image', IMAGE, stamp + 1_000_000, image(stamp, level)),
                (f'/{camera}/boxes', DETECTIONS, stamp + 9_000_000, detections(stamp, BOX)),
            ]
    return write_bag(path, entries)


@pytest.mark.parametrize(
    ('player', 'topics', 'boxes', 'answer'),
    [
        ('eevit', 'front=/front/image,rear=/rear/image', 'front=/front/boxes', 'front/regions'),
        ('eevit', '/rear/image', '/rear/boxes', 'regions'),
        pytest.param('rosbag2', '/rear/image', '/rear/boxes', 'regions', marks=needs_rosbag2),
    ],
)
def test_plays_boxes_and_records_what_is_in_them(
    peer, arguments, tmp_path, player, topics, boxes, answer
):
    bag = bag_with_boxes(tmp_path / 'boxes', ['front', 'rear'])
    changes = {'bag': str(bag), 'player': player, 'topic': topics, 'detections': boxes}

    code, output = ros2_launch(LAUNCH_FILE, {**arguments, **changes})

    assert code == 0, output
    with AnyReader([Path(arguments['output'])]) as reader:
        heard = defaultdict(list)
        for connection, _, raw in reader.messages():
            if connection.msgtype == DETECTIONS:
                heard[connection.topic] += reader.deserialize(raw, DETECTIONS).detections
    ((topic, found),) = heard.items()
    assert topic == f'/robot1/classifier/{answer}'
    assert len(found) > len(LEVELS) // 2
    assert all(box.results[0].hypothesis.class_id != 'thing' for box in found)


def test_plays_files_as_they_are(peer, arguments, tmp_path):
    arguments['bag'] = str(record_files(tmp_path / 'files', ['JPEG', 'PNG'] * 3))

    code, output = ros2_launch(LAUNCH_FILE, {**arguments, 'transport': 'compressed'})

    assert code == 0, output
    assert ' on /robot1/image/compressed' in output
    assert 'played 6 of 6 images' in output


@pytest.mark.parametrize(
    ('changes', 'reason', 'failure'),
    [
        (
            {'model': '/no/such/model.onnx'},
            '/no/such/model.onnx: the model file does not exist',
            'the replay failed: classifier-1 ended with code 2 before the replay was done',
        ),
        ({'topic': '/nowhere'}, '/nowhere', 'the replay failed: bag_player-4 ended with code 1'),
    ],
)
def test_what_goes_wrong_ends_everything(peer, arguments, changes, reason, failure):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, **changes})

    assert code == 1
    assert reason in output
    assert failure in output
    assert 'Traceback' not in output
    assert not processes_with(f'ROS_DOMAIN_ID={peer.domain_id}')


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'bag': '/no/such/bag'}, "bag: there is no '/no/such/bag'"),
        ({'params_file': '/no/such/file'}, "params_file: there is no file '/no/such/file'"),
    ],
)
def test_refuses_what_makes_no_sense_before_anything_starts(peer, arguments, changes, reason):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, **changes})

    assert code == 1
    assert reason in output
    assert 'process started' not in output
    assert 'Traceback' not in output


@pytest.mark.skipif(rosbag2_cli.is_installed(), reason='rosbag2 is installed')
def test_says_that_rosbag2_is_missing(peer, arguments):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, 'player': 'rosbag2'})

    assert code == 1
    assert 'player: rosbag2 is not installed: install it, or use player:=eevit' in output


@needs_rosbag2
def test_rosbag2_plays_and_records(peer, arguments):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, 'player': 'auto', 'topic': CAMERA})

    assert code == 0, output
    assert 'bag_player' not in output
    answers = recorded_exit_layers(Path(arguments['output']))
    assert len(answers) > len(LEVELS) // 2
    assert f'played {len(LEVELS)} images of {CAMERA}; {len(answers)} answered' in output
    assert f'{len(answers)} answers in {arguments["output"]}' in output


@needs_rosbag2
def test_rosbag2_plays_no_other_transport_than_was_recorded(peer, arguments):
    code, output = ros2_launch(
        LAUNCH_FILE, {**arguments, 'player': 'rosbag2', 'transport': 'compressed'}
    )

    assert code == 1
    assert f'transport: {CAMERA} was recorded raw' in output
    assert 'process started' not in output
