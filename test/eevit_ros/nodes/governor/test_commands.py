"""The node scaling velocity commands, for robots without Nav2."""

from __future__ import annotations

import itertools
import math
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Twist, TwistStamped, Vector3
from rclpy.qos import QoSProfile

from harness.governor_peer import FLOOR, FULL, PATIENT, GovernorPeer, governor, stranger
from harness.ros_process import SENSOR_DATA, RosPeer

FAST, TURN = 0.8, 0.4
PATIENT_COMMANDS = ['-p', 'command_timeout_s:=3.0']


def twist(forward: float = FAST) -> Twist:
    return Twist(linear=Vector3(x=forward), angular=Vector3(z=TURN))


class Driver:
    """Commands in, commands out."""

    def __init__(self, node: GovernorPeer, message_type: Any, qos: QoSProfile | int = 1) -> None:
        self.node, self.peer = node, node.peer
        self.commands = node.peer.node.create_publisher(message_type, '/cmd_vel_in', qos)
        self._subscription = node.peer.node.create_subscription(
            message_type, '/cmd_vel_out', lambda message: self.heard.append(message), 10
        )
        self.heard: list[Any] = []

    def __enter__(self) -> Driver:
        self.peer.until(
            lambda: (
                self.commands.get_subscription_count()
                and self.node.peer.node.count_publishers('/cmd_vel_out')
            ),
            'the governor',
            node=self.node.process,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.node.destroy_publisher(self.commands)
        self.peer.node.destroy_subscription(self._subscription)

    def until_speed(self, forward: float, command: Any = None, rate: float = 1.0) -> Any:
        """Wait for this speed from now on, sending a rate and a command; return the message."""
        self.heard.clear()

        def each() -> None:
            self.node.send(rate)
            if command is not None:
                self.commands.publish(command)

        def found() -> Any:
            for message in self.heard:
                speed = getattr(message, 'twist', message).linear.x
                if math.isclose(speed, forward, abs_tol=1e-6):
                    return message
            return None

        return self.peer.until(found, f'{forward} m/s', each=each, node=self.node.process)


def test_commands_are_scaled_and_end_with_zero_velocity(peer: RosPeer, tmp_path: Path) -> None:
    arguments = [*PATIENT, '-p', 'command:=twist']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, Twist) as driver,
    ):
        node.until_limit(FULL, 1.0)
        node.until_limit(FULL, 1.0)
        assert not driver.heard  # another node may drive until the first command
        assert node.until_report('fresh', each=1.0)['commands'] == 'none yet'

        full = driver.until_speed(FAST, twist())
        assert (full.linear.x, full.angular.z) == (FAST, TURN)
        half = driver.until_speed(FAST / 2, twist(), rate=0.5)
        assert half.angular.z == pytest.approx(TURN / 2)
        driver.until_speed(FAST * FLOOR / 100, twist(), rate=math.nan)

        # A command that is no number: zero velocity, and a reason.
        driver.until_speed(0.0, twist(math.nan))
        values = node.until_report(
            'velocity command is not finite', each=lambda: driver.commands.publish(twist(math.inf))
        )
        assert int(values['bad_commands']) > 0
        driver.until_speed(FAST, twist())

        # No more commands: zero velocity, again and again, until the next one.
        for _ in range(3):
            assert driver.until_speed(0.0) == Twist()
        node.until_report('fresh', each=1.0)
        driver.until_speed(FAST, twist())
        assert process.stop() == 0
        assert 'Traceback' not in process.output()


def test_stamped_commands_keep_their_header(peer: RosPeer, tmp_path: Path) -> None:
    arguments = [*PATIENT, *PATIENT_COMMANDS, '-p', 'command:=twist_stamped']
    command = TwistStamped(twist=twist())
    command.header.stamp.sec, command.header.frame_id = 1234, 'base_link'
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, TwistStamped) as driver,
    ):
        found = driver.until_speed(FAST, command)
        assert found.header == command.header
        assert found.twist.angular.z == pytest.approx(TURN)
        zero = driver.until_speed(0.0)
        assert zero.header.frame_id == 'base_link'
        assert zero.header.stamp.sec > 1234
        assert zero.twist == Twist()


def test_a_command_is_slowed_down_when_the_limit_falls(peer: RosPeer, tmp_path: Path) -> None:
    """Even if the next one is seconds away, and whatever the QoS that commands come with."""
    arguments = [*PATIENT, '-p', 'command:=twist', '-p', 'command_timeout_s:=10.0']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, Twist, SENSOR_DATA) as driver,
    ):
        driver.until_speed(FAST, twist())
        driver.until_speed(FAST * FLOOR / 100, rate=math.nan)


def test_commands_of_another_type_are_named(peer: RosPeer, tmp_path: Path) -> None:
    arguments = [*PATIENT, '-p', 'command:=twist_stamped', '-r', 'cmd_vel_in:=/joy/cmd_vel']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
    ):
        driver = stranger(peer, 'joystick')
        driver.create_publisher(Twist, '/joy/cmd_vel', 10)
        # Not by its name: once in a while Fast DDS never tells another process a node's name.
        report = ' publishes geometry_msgs/msg/Twist and not geometry_msgs/msg/TwistStamped'
        assert node.until_report(report, each=1.0)['commands'] == 'none yet'
        assert node.reports[-1].status[0].level == DiagnosticStatus.ERROR
        driver.destroy_node()
        node.until_report('fresh', each=1.0)


def test_a_command_that_waited_for_a_governor_that_stood_still_is_not_driven(
    peer: RosPeer, tmp_path: Path
) -> None:
    arguments = [*PATIENT, '-p', 'command:=twist']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, Twist) as driver,
    ):
        driver.until_speed(FAST, twist())
        driver.until_speed(0.0)  # again and again from now on, for no command comes
        process.process.send_signal(signal.SIGSTOP)
        try:
            driver.commands.publish(twist())
            continued_s = time.monotonic() + 1.0
            peer.until(lambda: time.monotonic() > continued_s, 'a later time')
            driver.heard.clear()
        finally:
            process.process.send_signal(signal.SIGCONT)
        peer.until(lambda: len(driver.heard) >= 10, 'ten commands', node=process)
        assert driver.heard == [Twist()] * len(driver.heard)
        driver.until_speed(FAST, twist())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_last_words_are_the_floor_and_zero_velocity(
    peer: RosPeer, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = [*PATIENT, '-p', 'command:=twist', '-p', 'command_timeout_s:=10.0']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, Twist) as driver,
    ):
        driver.until_speed(FAST, twist())
        node.until_limit(FULL, 1.0)
        assert process.stop(number) == 0
        peer.until(lambda: driver.heard[-1] == Twist(), 'zero velocity')
        peer.until(lambda: node.limits[-1].speed_limit == FLOOR, 'the floor')
        assert 'Traceback' not in process.output()


def test_it_ends_silently_where_there_never_was_a_command(peer: RosPeer, tmp_path: Path) -> None:
    arguments = [*PATIENT, '-p', 'command:=twist']
    with (
        governor(peer, arguments, tmp_path / 'node.log') as process,
        GovernorPeer(peer, process) as node,
        Driver(node, Twist) as driver,
    ):
        node.until_limit(FULL, 1.0)
        node.limits.clear()
        assert process.stop() == 0
        # What it sent was received before it ended; each look takes one message from the queues.
        looks = itertools.count()
        peer.until(lambda: next(looks) >= 20, 'twenty looks')
        assert node.limits[-1].speed_limit == FLOOR
        assert not driver.heard
