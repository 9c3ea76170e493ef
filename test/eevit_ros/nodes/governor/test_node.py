"""The node as a real process: rates and zones in, limits out, whoever else is on its topics."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav2_msgs.msg import SpeedLimit
from rcl_interfaces.srv import SetParameters
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from std_msgs.msg import Float32, Float64

from eevit_ros.nodes.governor.floor_delivery import PATIENCE_S, FloorDelivery
from eevit_ros.perception.status import DISCOVERY_S
from harness.governor_peer import (
    FLOOR,
    FULL,
    NAV2_QOS,
    OBEYED_BY_PEER,
    PATIENT,
    GovernorPeer,
    governor,
    stranger,
)
from harness.ros_process import SENSOR_DATA, RosPeer, refused_starts

ZONE = '/filter_speed_limit'


@pytest.fixture(scope='module')
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GovernorPeer]:
    """A governor on a domain of its own that forgives a busy machine."""
    log = tmp_path_factory.mktemp('governor') / 'node.log'
    with (
        RosPeer() as own,
        governor(own, PATIENT, log) as process,
        GovernorPeer(own, process) as found,
    ):
        yield found
        assert process.stop() == 0
        assert 'Traceback' not in process.output()


def test_rates_are_passed_on_unsmoothed_as_percent(node: GovernorPeer) -> None:
    for rate, limit in ((1.0, FULL), (0.5, 50.0), (0.9, 90.0), (0.05, FLOOR), (1.0, FULL)):
        heard = node.until_limit(limit, rate)
        assert all(message.percentage for message in heard)
    values = node.until_report('fresh', each=1.0)
    assert values['limit_percent'] == '100'
    assert values['adaptive_rate'] == '1'
    assert float(values['input_age_s']) < 60
    assert (values['input_topic'], values['input_publishers']) == ('/adaptive_rate', '1')
    assert values[f'source {ZONE}'] == '100'
    assert 'deep' in node.until_report('deep', 'adaptive rate 0.5', each=0.5)['reason']


def test_without_rate_and_controller_it_says_once_what_it_waits_for(
    peer: RosPeer, tmp_path: Path
) -> None:
    with governor(peer, [], tmp_path / 'log') as process:
        process.wait_for_output('startup: ')
        started, *_, waits = process.output().splitlines()
        # It counts from a little before it says so; on a busy machine from a second before.
        assert _time(waits) - _time(started) > DISCOVERY_S / 2
        assert waits.count('/adaptive_rate') == 1
        assert process.stop() == 0
        assert process.output().count('startup: ') == 1


def _time(line: str) -> float:
    """Return the seconds that a line of a log begins with: '[INFO] [1700000000.123] ...'."""
    return float(line.split('[')[2].partition(']')[0])


def test_the_plain_scale_says_the_same(node: GovernorPeer) -> None:
    with node.peer.listening(Float32, '/speed_governor/speed_scale') as scales:
        node.until_limit(50.0, 0.5)
        node.peer.until(
            lambda: scales and scales[-1].data == 0.5, 'the scale', each=lambda: node.send(0.5)
        )


@pytest.mark.parametrize('bad', [math.nan, math.inf, 0.0, -0.5, 1.5])
def test_what_is_no_rate_sends_it_to_the_floor(node: GovernorPeer, bad: float) -> None:
    node.until_limit(FULL, 1.0)
    node.until_limit(FLOOR, bad)
    node.until_report('error', f'{bad:.4g}', each=bad)
    node.until_limit(FULL, 1.0)


def test_a_zone_is_obeyed_even_below_the_floor_and_held(node: GovernorPeer) -> None:
    zones = node.peer.node.create_publisher(SpeedLimit, ZONE, 10)
    node.until_limit(FULL, 1.0)
    node.peer.until(zones.get_subscription_count, 'the governor')
    zones.publish(SpeedLimit(percentage=True, speed_limit=40.0))
    node.until_limit(40.0, 1.0)
    zones.publish(SpeedLimit(percentage=True, speed_limit=5.0))
    node.until_limit(5.0, 1.0)
    assert node.until_report('other source', ZONE, '5 %', each=1.0)[f'source {ZONE}'] == '5'
    zones.publish(SpeedLimit(percentage=False, speed_limit=0.4))  # the full speed is unknown
    node.until_report('error', ZONE, '0.4 m/s', 'max_speed_mps', each=1.0)
    zones.publish(SpeedLimit(percentage=True, speed_limit=0.0))
    node.until_limit(FULL, 1.0)
    node.peer.node.destroy_publisher(zones)


def test_two_nodes_on_the_input_keep_it_at_the_floor(node: GovernorPeer) -> None:
    node.until_limit(FULL, 1.0)
    second = stranger(node.peer, 'second_classifier')
    second.create_publisher(Float32, '/adaptive_rate', 10)  # silent: it is enough that it is there
    node.until_limit(FLOOR, 1.0)
    node.until_report('error', '/second_classifier', '/test_peer', 'only one may', each=1.0)
    second.destroy_node()
    node.until_limit(FULL, 1.0)


@pytest.mark.skipif(
    not hasattr(Subscription, 'CallbackType'), reason="this rclpy's messages have no number"
)
def test_two_publishers_of_one_name_keep_it_at_the_floor(node: GovernorPeer) -> None:
    node.until_limit(FULL, 1.0)
    second = node.peer.node.create_publisher(Float32, '/adaptive_rate', 10)
    turns = itertools.cycle([node.rates, second])

    def in_turn() -> None:
        next(turns).publish(Float32(data=1.0))

    node.until_limit(FLOOR, in_turn)
    assert node.until_report('error', 'came after message', each=in_turn)['limit_percent'] == '20'
    node.peer.node.destroy_publisher(second)
    node.until_limit(FULL, 1.0)


def test_a_stranger_on_the_output_is_named_and_keeps_it_at_the_floor(node: GovernorPeer) -> None:
    node.until_limit(FULL, 1.0)
    intruder = stranger(node.peer, 'costmap_filter')
    intruder.create_publisher(SpeedLimit, '/speed_limit', 10)
    node.until_limit(FLOOR, 1.0)
    node.until_report('error', '/costmap_filter', '/speed_limit', 'limit_sources', each=1.0)
    intruder.destroy_node()
    node.until_limit(FULL, 1.0)


def test_publishers_that_cannot_be_heard_are_named(node: GovernorPeer) -> None:
    node.until_limit(FULL, 1.0)
    intruder = stranger(node.peer, 'stranger')
    best_effort = intruder.create_publisher(SpeedLimit, ZONE, SENSOR_DATA)
    node.until_limit(FLOOR, 1.0)
    node.until_report('error', 'the QoS of /stranger', 'eliab', each=1.0)
    intruder.destroy_publisher(best_effort)
    node.until_limit(FULL, 1.0)
    intruder.create_publisher(Float64, ZONE, 10)
    node.until_limit(FLOOR, 1.0)
    node.until_report('error', '/stranger publishes std_msgs/msg/Float64', each=1.0)
    intruder.destroy_node()
    node.until_limit(FULL, 1.0)


def test_parameters_cannot_be_changed_while_it_runs(node: GovernorPeer) -> None:
    request = SetParameters.Request(parameters=[Parameter('floor', value=1.0).to_parameter_msg()])
    response = node.peer.call(
        SetParameters, '/speed_governor/set_parameters', request, node=node.process
    )
    assert not response.results[0].successful


def test_a_lower_limit_goes_out_at_once(peer: RosPeer, tmp_path: Path) -> None:
    arguments = [*PATIENT, '-p', 'publish_hz:=5.0']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
    ):
        delays_s = []
        for _ in range(10):
            node.until_limit(FULL, 1.0)
            node.until_limit(FULL, 1.0)  # one of the timer's: the next is due in 0.2 s
            asked_s = time.monotonic()
            node.until_limit(50.0, 0.5)
            delays_s.append(time.monotonic() - asked_s)
        assert min(delays_s) < 0.1


def test_from_the_first_moment_and_in_silence_it_is_at_the_floor(
    peer: RosPeer, tmp_path: Path
) -> None:
    """With the defaults: what a robot gets."""
    with (
        governor(peer, OBEYED_BY_PEER, tmp_path / 'node.log') as process,
        peer.listening(SpeedLimit, '/speed_limit') as heard,
    ):
        peer.until(lambda: len(heard) >= 15, 'fifteen limits', node=process)
        assert {(limit.speed_limit, limit.percentage) for limit in heard} == {(FLOOR, True)}
        with GovernorPeer(peer, process) as node:
            node.until_limit(FULL, 1.0)
            rising = [limit for limit in heard if limit.speed_limit > FLOOR]
            stamps_s = [m.header.stamp.sec + m.header.stamp.nanosec / 1e9 for m in rising]
            for limit, stamp_s in zip(rising, stamps_s, strict=True):
                # 0.5 per second, and half a second for a machine that holds messages up
                assert limit.speed_limit <= FLOOR + 50 * (stamp_s - stamps_s[0] + 0.5)
            node.until_limit(FLOOR)
            values = node.until_report('stale', 'no adaptive rate for 0.3 s')
            assert values['reason'] == 'stale'
            assert int(values['faults']) >= 1
            peer.node.destroy_publisher(node.rates)
            node.until_report('stale', 'nothing publishes on /adaptive_rate: check the remapping')


def test_a_listener_hears_the_floor_first_however_late_it_comes(
    peer: RosPeer, tmp_path: Path
) -> None:
    """And without one the report says what it waits for."""
    rates = peer.node.create_publisher(Float32, '/adaptive_rate', 10)
    with (
        governor(peer, PATIENT, tmp_path / 'node.log') as process,
        peer.listening(DiagnosticArray, '/diagnostics') as reports,
    ):

        def waiting() -> list[DiagnosticStatus]:
            found = [report.status[0] for report in reports]
            return [one for one in found if value(one, 'adaptive_rate') == '1']

        def send() -> None:
            rates.publish(Float32(data=1.0))

        peer.until(lambda: len(waiting()) >= 3, 'three reports', each=send, node=process)
        for status in waiting():
            assert value(status, 'limit_percent') == '20'
            assert status.message.startswith('startup: ')
            assert 'received the floor yet' in status.message
            for topic in ('/speed_limit', '/speed_governor/speed_scale'):
                assert f'no subscribers on {topic}' in status.message
            assert status.level == DiagnosticStatus.WARN
        ups_s = [float(value(status, 'up_s')) for status in waiting()]
        assert ups_s == sorted(ups_s)
        with peer.listening(SpeedLimit, '/speed_limit', NAV2_QOS) as heard:
            peer.until(
                lambda: heard and heard[-1].speed_limit == FULL, 'full', each=send, node=process
            )
            assert heard[0].speed_limit == FLOOR
    peer.node.destroy_publisher(rates)


def test_a_controller_that_is_found_late_hears_the_floor_first_though_others_listen(
    peer: RosPeer, tmp_path: Path
) -> None:
    rates = peer.node.create_publisher(Float32, '/adaptive_rate', 10)
    echo = stranger(peer, 'echo')
    echo.create_subscription(SpeedLimit, '/speed_limit', lambda _: None, NAV2_QOS)
    with (
        governor(peer, [*PATIENT, '-p', 'floor_hold_s:=600.0'], tmp_path / 'node.log') as process,
        peer.listening(DiagnosticArray, '/diagnostics') as reports,
    ):

        def send() -> None:
            rates.publish(Float32(data=1.0))

        def up_s() -> float:
            return max((float(value(one.status[0], 'up_s')) for one in reports), default=0.0)

        # More than an acknowledgement and the climb take.
        peer.until(lambda: up_s() > 3.0, 'reports of three seconds', each=send, node=process)
        with peer.listening(SpeedLimit, '/speed_limit', NAV2_QOS) as heard:
            peer.until(
                lambda: heard and heard[-1].speed_limit == FULL, 'full', each=send, node=process
            )
            assert heard[0].speed_limit == FLOOR
    echo.destroy_node()
    peer.node.destroy_publisher(rates)


def test_where_no_controller_is_known_the_floor_is_held_for_its_time(peer: RosPeer) -> None:
    mouth = peer.node.create_publisher(SpeedLimit, '/held', 10)
    unused = peer.node.create_publisher(Float32, '/unused', 10)
    delivery = FloorDelivery(peer.node, [mouth], unused, controllers=['other'], hold_s=5.0)
    assert not delivery.is_done(100.0)
    with peer.listening(SpeedLimit, '/held'):
        peer.until(mouth.get_subscription_count, 'the subscriber')

        def is_done(now_s: float) -> bool:
            mouth.publish(SpeedLimit(percentage=True, speed_limit=FLOOR))
            return delivery.is_done(now_s)

        peer.until(lambda: mouth.wait_for_all_acked(Duration(seconds=1)), 'an acknowledgement')
        assert not is_done(100.0)
        assert not is_done(104.9)
        peer.until(lambda: is_done(105.0), 'the end of the hold')
    peer.node.destroy_publisher(mouth)
    peer.node.destroy_publisher(unused)


def value(status: DiagnosticStatus, key: str) -> str:
    return next(item.value for item in status.values if item.key == key)


def test_a_robot_that_uses_the_plain_scale_alone_is_fine(peer: RosPeer, tmp_path: Path) -> None:
    rates = peer.node.create_publisher(Float32, '/adaptive_rate', 10)
    with (
        governor(peer, PATIENT, tmp_path / 'node.log') as process,
        peer.listening(DiagnosticArray, '/diagnostics') as reports,
        peer.listening(Float32, '/speed_governor/speed_scale'),
    ):

        def fresh() -> DiagnosticStatus | None:
            found = [report.status[0] for report in reports]
            return next((one for one in found if one.message.startswith('fresh: ')), None)

        status = peer.until(
            fresh, 'full speed', each=lambda: rates.publish(Float32(data=1.0)), node=process
        )
        assert status.level == DiagnosticStatus.OK
        assert 'no subscribers on /speed_limit' in status.message
        assert 'speed_scale' not in status.message
    peer.node.destroy_publisher(rates)


def test_a_subscriber_that_acknowledges_nothing_is_not_waited_for_long(
    peer: RosPeer, tmp_path: Path
) -> None:
    arguments = ['-r', 'filter_speed_limit:=/zones']  # to which it subscribes
    with governor(peer, arguments, tmp_path / 'node.log') as ear:
        mouth = peer.node.create_publisher(SpeedLimit, '/zones', 10)
        unused = peer.node.create_publisher(Float32, '/unused', 10)
        delivery = FloorDelivery(
            peer.node, [mouth], unused, controllers=['speed_governor'], hold_s=1e6
        )
        assert not delivery.is_done(0.0)
        assert not delivery.is_done(2 * PATIENCE_S)  # there is none
        peer.until(mouth.get_subscription_count, 'a subscriber', node=ear)

        def say() -> None:
            mouth.publish(SpeedLimit(percentage=True, speed_limit=FULL))

        assert not delivery.is_done(100.0)  # nothing was sent yet
        say()
        heard = partial(delivery.is_done, now_s=100.0)
        peer.until(heard, 'an acknowledgement', each=say, node=ear)

        ear.process.kill()
        ear.process.wait()
        assert mouth.get_subscription_count()  # the stale entry of a killed process
        say()
        assert not delivery.is_done(100.0)
        assert delivery.is_done(100.0 + PATIENCE_S)
        peer.node.destroy_publisher(mouth)
        peer.node.destroy_publisher(unused)


def test_metres_per_second_and_the_zone_before_its_first_message(
    peer: RosPeer, tmp_path: Path
) -> None:
    arguments = [
        *PATIENT,
        *('-p', 'unit:=mps', '-p', 'max_speed_mps:=2.0', '-p', 'initial_zone_limit:=60.0'),
        *('-p', 'limit_sources:=[left, right]'),
    ]
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
    ):
        left, right = (peer.node.create_publisher(SpeedLimit, t, 10) for t in ('/left', '/right'))
        heard = node.until_limit(1.2, 1.0)
        assert not any(limit.percentage for limit in heard)
        peer.until(left.get_subscription_count, 'the governor')
        peer.until(right.get_subscription_count, 'the governor')
        left.publish(SpeedLimit(percentage=False, speed_limit=0.5))
        node.until_limit(0.5, 1.0)
        left.publish(SpeedLimit(percentage=False, speed_limit=0.0))
        node.until_limit(1.2, 1.0)  # the other one has sent nothing yet
        right.publish(SpeedLimit(percentage=True, speed_limit=0.0))
        node.until_limit(2.0, 1.0)
        peer.node.destroy_publisher(left)
        peer.node.destroy_publisher(right)


def test_a_robot_without_nav2_gets_the_other_outputs(
    peer: RosPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'nav2_msgs.py').write_text("raise ImportError('not on this robot')")
    path = os.environ.get('PYTHONPATH', '')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), path]))
    with (
        governor(peer, PATIENT, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        peer.listening(Float32, '/speed_governor/speed_scale') as scales,
    ):
        peer.until(
            lambda: scales and scales[-1].data == 1.0,
            'full speed',
            each=lambda: node.send(1.0),
            node=process,
        )
        node.until_report('nav2_msgs is not installed', each=1.0)
        assert 'nav2-msgs' in process.output()
        assert not node.limits
        assert process.stop() == 0
        peer.until(lambda: math.isclose(scales[-1].data, 0.2, rel_tol=1e-6), 'the floor')
        assert 'Traceback' not in process.output()


def test_what_is_wrong_at_the_start_is_named_and_ends_it_with_code_2(
    peer: RosPeer, tmp_path: Path
) -> None:
    cases = [
        (['-p', 'publish_hz:=2.0'], 'publish_hz'),
        (['-p', 'floor:=low'], 'floor'),
        (['-p', "limit_sources:=['a b']"], "'limit_sources'"),
        (['-p', 'unit:=mps'], 'max_speed_mps'),
        (['-r', 'filter_speed_limit:=/speed_limit'], '/speed_limit'),
        (['--params-file', str(tmp_path / 'missing.yaml')], str(tmp_path / 'missing.yaml')),
    ]
    starts = refused_starts(peer.domain_id, 'governor.node', [case for case, _ in cases])
    for (code, output), (arguments, named) in zip(starts, cases, strict=True):
        assert (code, arguments) == (2, arguments), output
        assert named in output
        assert 'Traceback' not in output
