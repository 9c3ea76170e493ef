"""The installed navigation.launch.py with both installed nodes, for real, as Nav2 receives it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

launch_pytest = pytest.importorskip(
    'launch_pytest', reason='launch_pytest comes with ROS 2 and is not on PyPI'
)
pytest.importorskip('onnx', reason='the tiny model is made with onnx: pip install onnx')

from geometry_msgs.msg import Twist  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402

from harness.classifier_peer import BLACK, WHITE, ClassifierPeer, raw_image  # noqa: E402
from harness.ros_process import DEADLINE_S, RosPeer  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402
from test.launch.launched_processes import (  # noqa: E402
    Processes,
    processes_with,
    ros2_launch,
    ros2_launch_command,
)

nav2_msgs = pytest.importorskip('nav2_msgs.msg', reason='nav2_msgs is not installed')

LAUNCH_FILE = 'navigation.launch.py'
FLOOR, FULL = 20.0, 100.0  # percent


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
def peer(monkeypatch):
    with RosPeer() as peer:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(peer.domain_id))
        yield peer


@pytest.fixture
def camera(peer):
    return ClassifierPeer(peer, None, name='/robot1/classifier', camera_topic='/camera/image_raw')


@pytest.fixture
def limits(peer):
    """What a controller_server in the namespace would receive."""
    return peer.listen(nav2_msgs.SpeedLimit, '/robot1/speed_limit', 10)


@pytest.fixture
def arguments(tmp_path) -> dict[str, str]:
    """Both nodes recover quickly; all else is as installed."""
    params_file = tmp_path / 'classifier.yaml'
    params_file.write_text('/**: {ros__parameters: {rate.release_per_s: 5.0}}')
    governor_params_file = tmp_path / 'governor.yaml'
    governor_params_file.write_text(
        '/**: {ros__parameters: {recover_per_s: 5.0, controllers: [test_peer]}}'
    )
    return {
        'image': '/camera/image_raw',
        'model': str(write_tiny_model(tmp_path / 'tiny.onnx')),
        'namespace': 'robot1',
        'params_file': str(params_file),
        'governor_params_file': str(governor_params_file),
        'sigterm_timeout': str(DEADLINE_S),  # launch's own 5 s are short for a busy machine
    }


@launch_pytest.fixture
def launched(processes, peer, arguments):
    return processes.watched(LAUNCH_FILE, **arguments)


def until_limit(camera, limits, percent: float, grey: int) -> None:
    """Send pictures until a limit received from now on is `percent`."""
    limits.clear()
    camera.until(
        lambda: limits and limits[-1].speed_limit == pytest.approx(percent),
        f'a limit of {percent} %',
        lambda: camera.camera.publish(raw_image(grey)),
    )


@pytest.mark.launch(fixture=launched)
def test_the_limit_follows_the_camera_and_ends_at_the_floor(camera, limits, processes):
    until_limit(camera, limits, FULL, WHITE)
    until_limit(camera, limits, FLOOR, BLACK)
    until_limit(camera, limits, FULL, WHITE)
    # One that is killed in a lock on shared memory would hold up the other, and the controller.
    for pid in processes.pids['speed_governor']:
        assert '/dev/shm/fastrtps_' not in Path(f'/proc/{pid}/maps').read_text()

    yield  # launch shuts down

    camera.until(lambda: limits[-1].speed_limit == pytest.approx(FLOOR), 'the floor')
    assert all(limit.percentage and FLOOR - 1e-4 <= limit.speed_limit <= FULL for limit in limits)
    assert processes.exit_codes == [0, 0, 0]


@pytest.mark.launch(fixture=launched)
def test_a_killed_governor_is_followed_from_the_floor_on(camera, limits, processes):
    started = processes.pids['speed_governor']

    def kill(which: int) -> None:
        until_limit(camera, limits, FULL, WHITE)
        before = len(started)
        os.kill(started[which], signal.SIGKILL)
        # Limits of the old one, all of full speed, may still arrive. The camera rests.
        limits.clear()
        camera.until(lambda: limits and limits[-1].speed_limit < FULL, 'a limit of the other')
        assert limits[-1].speed_limit == pytest.approx(FLOOR)
        camera.until(lambda: len(started) > before, 'a respawn')

    kill(0)
    kill(1)  # the standby, which speaks now
    until_limit(camera, limits, FULL, WHITE)

    assert processes.exit_codes == [-signal.SIGKILL] * 2
    assert len(processes.pids['classifier']) == 1


@launch_pytest.fixture
def as_nav2_is(processes, peer, arguments):
    """With the arguments in the form in which Nav2's launch files have them."""
    return processes.watched(
        LAUNCH_FILE,
        **arguments,
        use_sim_time='True',
        respawn='True',
        log_level='INFO',
        standby='False',
    )


@pytest.mark.launch(fixture=as_nav2_is)
def test_takes_arguments_as_nav2_does(peer, processes):
    for node in ('classifier', 'speed_governor'):
        request = GetParameters.Request(names=['use_sim_time'])
        service = f'/robot1/{node}/get_parameters'
        (value,) = peer.call(GetParameters, service, request).values
        assert value.bool_value

    (governor,) = processes.pids['speed_governor']
    os.kill(governor, signal.SIGKILL)
    peer.until(lambda: len(processes.pids['speed_governor']) == 2, 'a second process')


@launch_pytest.fixture
def scaling(processes, peer, arguments):
    return processes.watched(
        LAUNCH_FILE, **arguments, command='twist', cmd_vel_in='/mux/cmd_vel', cmd_vel_out='cmd_vel'
    )


@pytest.mark.launch(fixture=scaling)
def test_scales_commands_between_the_topics_given(camera, limits, peer):
    commands = peer.node.create_publisher(Twist, '/mux/cmd_vel', 10)
    scaled = peer.listen(Twist, '/robot1/cmd_vel', 10)
    command = Twist()
    command.linear.x = 0.5

    def drive() -> None:
        commands.publish(command)

    camera.until(
        lambda: scaled and scaled[-1].linear.x == pytest.approx(0.5 * FLOOR / FULL),
        'the command at the floor',
        drive,
    )


@pytest.fixture
def launch(arguments, peer) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts `ros2 launch`; it and what it started end with the test."""
    started = []

    def start(**changes: str) -> subprocess.Popen[bytes]:
        command = ros2_launch_command(LAUNCH_FILE, {**arguments, **changes})
        started.append(subprocess.Popen(command, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if processes_with(f'ROS_DOMAIN_ID={peer.domain_id}'):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize('refused', ['classifier', 'speed_governor'])
def test_a_node_that_is_refused_ends_alone_and_the_launch_fails_in_the_end(
    peer, launch, arguments, refused
):
    if refused == 'speed_governor':
        Path(arguments['governor_params_file']).write_text('/**: {ros__parameters: {floor: 0.0}}')
    else:
        arguments['model'] = '/no/such/model.onnx'
    (left,) = {'classifier', 'speed_governor'} - {refused}
    process = launch()
    peer.until(lambda: len(nodes_of(peer)) == 3, 'all nodes')
    peer.until(lambda: set(nodes_of(peer)) == {left}, 'the end of the one')
    # Twice the longer delay of a respawn.
    until = time.monotonic() + 4.0
    peer.until(lambda: time.monotonic() > until, 'the time in which it would start again')

    assert set(nodes_of(peer)) == {left}
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    peer.until(lambda: process.poll() is not None, 'the end of the launch')
    assert process.returncode == 1


def nodes_of(peer: RosPeer) -> list[str]:
    """Return the names of our executables that run in the peer's domain."""
    names = []
    for folder in processes_with(f'ROS_DOMAIN_ID={peer.domain_id}'):
        with contextlib.suppress(OSError):  # it has just ended
            words = (folder / 'cmdline').read_text().split('\0')
            names += [Path(word).name for word in words if '/lib/eevit_ros/' in word]
    return sorted(names)


def test_says_why_the_governor_was_refused(peer, arguments):
    Path(arguments['governor_params_file']).write_text('/**: {ros__parameters: {unit: knots}}')

    # Without a model the classifier ends, too, and with it the launch.
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, 'model': '/no/such/model.onnx'})

    assert code == 1
    assert "parameter 'unit' must be one of percentage, mps. Got 'knots'" in output
    assert 'NOTHING LIMITS THE SPEED' in output
    assert output.count('process started') == 3
    assert 'Traceback' not in output


@pytest.mark.parametrize('argument', ['governor_params_file', 'params_file', 'dds_profile'])
def test_refuses_a_file_that_is_not_there_and_leaves_nothing_behind(peer, arguments, argument):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, argument: '/no/such/file'})

    assert code == 1
    assert f"{argument}: there is no file '/no/such/file'" in output
    # launch does not end what it has started when it ends by such an error.
    assert not processes_with(f'ROS_DOMAIN_ID={peer.domain_id}')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_the_launch_ends_no_node_is_left(peer, limits, launch, number):
    """As systemd, docker stop or an operator end it: the process of the launch alone."""
    process = launch()
    peer.until(lambda: limits and len(nodes_of(peer)) == 3, 'all nodes')
    process.send_signal(number)
    peer.until(lambda: process.poll() is not None, 'the end of the launch')
    peer.until(lambda: not nodes_of(peer), 'the end of the nodes')
    assert limits[-1].speed_limit == pytest.approx(FLOOR)


def test_shows_the_arguments_of_both_nodes(peer):
    _, output = ros2_launch(LAUNCH_FILE, {}, '--show-args')

    assert "'governor_params_file'" in output
    assert "'image_transport'" in output
