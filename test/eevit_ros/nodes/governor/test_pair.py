"""A governor and its warm standby, as real processes: one voice, whatever either of them does.

What a takeover takes is in test_faults.py, who of two speaks in test_turn.py.
"""

from __future__ import annotations

import itertools
import math
import signal
from pathlib import Path

import pytest
from geometry_msgs.msg import Twist
from nav2_msgs.msg import SpeedLimit
from std_msgs.msg import Float32MultiArray

from eevit_ros.errors import EevitError
from eevit_ros.nodes.governor.partner import partner_name
from harness.governor_peer import (
    FIRST,
    FLOOR,
    FULL,
    PAIR,
    PATIENT,
    SECOND,
    GovernorPeer,
    governor,
    stranger,
)
from harness.ros_process import SENSOR_DATA, RosPeer

# A busy machine may hold a process up for long: no reason to take it for dead.
ARGUMENTS = [*PATIENT, *PAIR, '-p', 'takeover_after_s:=5.0', '-p', 'command:=twist']


def test_a_standby_comes_freezes_goes_on_and_ends_and_nobody_hears_of_it(
    peer: RosPeer, tmp_path: Path
) -> None:
    log = tmp_path / FIRST
    with governor(peer, ARGUMENTS, log) as first, GovernorPeer(peer, first) as node:
        commands = peer.node.create_publisher(Twist, '/cmd_vel_in', 10)
        numbers = itertools.count(1)

        def drive() -> None:
            node.send(1.0)
            command = Twist()
            command.linear.x = float(next(numbers))
            commands.publish(command)

        with peer.listening(Twist, '/cmd_vel_out') as scaled:
            # Alone, the first speaks after a while.
            node.until_limit(FULL, 1.0)
            zones = peer.node.create_publisher(SpeedLimit, '/filter_speed_limit', 10)
            peer.until(zones.get_subscription_count, 'the governor', node=first)
            zones.publish(SpeedLimit(percentage=True, speed_limit=60.0))
            node.until_limit(60.0, 1.0)
            # A standby that was given another file.
            heartbeat = f'/{SECOND}/heartbeat'
            beat = peer.node.create_publisher(Float32MultiArray, heartbeat, SENSOR_DATA)
            other = Float32MultiArray(data=[0.0, 1.0, math.nan])

            def send_beat() -> None:
                node.send(1.0)
                beat.publish(other)

            node.until_report(f'/{SECOND} has other parameters', each=send_beat)
            peer.node.destroy_publisher(beat)
            second_log = tmp_path / SECOND
            arguments = [*ARGUMENTS, '-r', f'__node:={SECOND}']
            with governor(peer, arguments, second_log) as second:
                beats = peer.listen(Float32MultiArray, heartbeat, SENSOR_DATA)
                values = node.until_report(f'standby: /{FIRST} speaks', each=1.0)
                assert values['source /filter_speed_limit'] == '60'  # told by the first
                zones.publish(SpeedLimit(percentage=True, speed_limit=0.0))
                node.until_limit(FULL, 1.0)
                peer.until(commands.get_subscription_count, 'the command scaler', node=first)
                node.limits.clear()
                peer.until(lambda: len(scaled) >= 10, 'ten commands', each=drive, node=first)
                second.process.send_signal(signal.SIGSTOP)
                node.until_report(f'/{SECOND} is not there to take over', each=drive)
                second.process.send_signal(signal.SIGCONT)
                beats.clear()
                peer.until(lambda: len(beats) >= 10, 'ten beats', each=drive, node=second)
                assert not any(beat.data[0] for beat in beats)
                node.until_report('fresh: adaptive rate 1', each=drive)  # and no complaint
                # One voice at full speed all the time: no command came twice or scaled.
                assert {limit.speed_limit for limit in node.limits} == {FULL}
                speeds = [one.linear.x for one in scaled if one.linear.x]  # 0: commands paused
                assert speeds == sorted(set(map(int, speeds)))

                # Whoever starts something on the limit's topic is a stranger still.
                intruder = stranger(peer, 'costmap_filter')
                intruder.create_publisher(SpeedLimit, '/speed_limit', 10)
                node.until_report('error', '/costmap_filter also publishes', each=1.0)
                intruder.destroy_node()
                node.until_limit(FULL, 1.0)

                # The standby takes over the commands, too. Its last words are the floor and a halt.
                first.process.kill()
                scaled.clear()
                peer.until(
                    lambda: any(one.linear.x % 1 for one in scaled),
                    'a command at the floor',
                    each=drive,
                    node=second,
                )
                assert second.stop() == 0
                peer.until(lambda: node.limits[-1].speed_limit == FLOOR, 'the last word')
                peer.until(lambda: not scaled[-1].linear.x, 'a halt')
                assert 'Traceback' not in first.output() + second.output()
        peer.node.destroy_publisher(commands)
        peer.node.destroy_publisher(zones)


def test_a_node_that_is_not_of_its_pair_is_told(peer: RosPeer) -> None:
    assert partner_name(peer.node, []) == ''
    assert partner_name(peer.node, ['test_peer', 'other']) == '/other'
    with pytest.raises(EevitError, match=r"'pair' must name this node, 'test_peer'"):
        partner_name(peer.node, ['one', 'other'])
    with pytest.raises(EevitError, match="'pair'"):
        partner_name(peer.node, ['test_peer', 'no name'])
