"""The installed launch file with the installed node, for real.

Where ROS 2 is installed: `colcon build`, `source install/setup.bash`, `pytest test/launch`.
"""

from __future__ import annotations

import os
import signal

import pytest

launch_pytest = pytest.importorskip(
    'launch_pytest', reason='launch_pytest comes with ROS 2 and is not on PyPI'
)
pytest.importorskip('onnx', reason='the tiny model is made with onnx: pip install onnx')

from harness.classifier_peer import MIDDLE, WHITE, ClassifierPeer, raw_image  # noqa: E402
from harness.ros_process import DEADLINE_S, RosPeer  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402
from test.launch.launched_processes import Processes, ros2_launch  # noqa: E402

LAUNCH_FILE = 'classify.launch.py'


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
def arguments(tmp_path) -> dict[str, str]:
    """A params file with another top_k and a model that is not there."""
    params_file = tmp_path / 'params.yaml'
    params_file.write_text('/**: {ros__parameters: {top_k: 2, model: /not/there.onnx}}')
    return {
        'image': '/camera/image_raw',
        'model': str(write_tiny_model(tmp_path / 'tiny.onnx')),
        'namespace': 'robot1',
        'params_file': str(params_file),
        'sigterm_timeout': str(DEADLINE_S),  # launch's own 5 s are short for a busy machine
    }


@launch_pytest.fixture
def launched(processes, peer, arguments):
    return processes.watched(LAUNCH_FILE, **arguments)


@pytest.mark.launch(fixture=launched)
def test_answers_an_image_and_stops_clean(camera, processes):
    assert camera.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'
    assert camera.state() == 'active'
    # The model given as an argument won over the params file, whose other values count.
    assert len(camera.classifications[-1].results) == 2

    yield  # launch shuts down

    assert processes.exit_codes == [0]


@launch_pytest.fixture
def launched_cameras(processes, peer, arguments):
    more = {'cameras': 'front=/front/image_raw,rear'}
    return processes.watched(LAUNCH_FILE, **(arguments | more))


@pytest.mark.launch(fixture=launched_cameras)
def test_several_cameras_are_on_the_topics_that_are_named(peer, processes):
    for name, topic in {'front': '/front/image_raw', 'rear': '/robot1/rear/image'}.items():
        one = ClassifierPeer(peer, None, name=f'/robot1/classifier/{name}', camera_topic=topic)
        assert one.until_answer(lambda: raw_image(WHITE))['exit_layer'] == '1'

    yield

    assert processes.exit_codes == [0]


@pytest.mark.launch(fixture=launched)
def test_starts_again_after_a_crash_and_answers(camera, processes):
    camera.until_answer(lambda: raw_image(WHITE))

    os.kill(processes.pids['classifier'][0], signal.SIGKILL)
    camera.until(lambda: len(processes.pids['classifier']) == 2, 'a second process')

    assert processes.exit_codes == [-signal.SIGKILL]
    assert camera.until_answer(lambda: raw_image(MIDDLE))['exit_layer'] == '2'

    yield

    assert processes.exit_codes == [-signal.SIGKILL, 0]


@pytest.mark.launch(fixture=launched)
def test_ends_when_the_node_was_stopped(camera, processes, launch_service):
    camera.until_answer(lambda: raw_image(WHITE))

    os.kill(processes.pids['classifier'][0], signal.SIGTERM)
    camera.until(launch_service.task.done, 'the end of the launch')

    assert processes.exit_codes == [0]
    assert len(processes.pids['classifier']) == 1


def test_ends_when_the_model_is_missing(peer, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))

    code, output = ros2_launch(
        LAUNCH_FILE, {**arguments, 'model': '~/missing.onnx', 'params_file': '~/params.yaml'}
    )

    assert code == 1
    assert f'{tmp_path}/missing.onnx: the model file does not exist' in output
    assert 'the classifier could not configure' in output
    assert output.count('process started') == 1
    assert 'Traceback' not in output


@pytest.mark.parametrize('argument', ['params_file', 'dds_profile'])
def test_refuses_a_file_that_is_not_there(peer, arguments, argument):
    code, output = ros2_launch(LAUNCH_FILE, {**arguments, argument: '/no/such/file'})

    assert code == 1
    assert f"{argument}: there is no file '/no/such/file'" in output
    assert 'process started' not in output
