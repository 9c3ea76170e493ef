from __future__ import annotations

import numpy as np
import pytest

from drive.journey import Frame, Journey
from drive.robot import FLOOR, TOP_SPEED_MPS
from drive.scene.world import Sign, World
from drive.simulated import drive_in_no_time
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Observation, Perception, PerceptionSettings
from eevit_ros.speed.rate import RateSettings
from harness.tiny_model import write_tiny_model

WORLD = World(0, ('full light',), (Sign(3.5, 0, 'full light'),), (1,), length_m=7.0)
AGE_S = 0.02


@pytest.fixture(scope='module')
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    model = write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')
    return Engine(model, compute=Compute(provider='cpu', threads=1))


def drive(engine: Engine, grey: int, age_s: float = AGE_S) -> tuple[Journey, list[float]]:
    """Past things of one grey; return the journey and the speeds at the frames."""
    perception = Perception(engine, PerceptionSettings(rate=RateSettings(floor=FLOOR)))
    journey, speeds = Journey(WORLD, lambda picture: 'class 0'), []

    def observe(frame: Frame) -> Observation:
        speeds.append(frame.speed_mps)
        image = np.full((32, 32, 3), grey, np.uint8)
        image[-4:, -4:] = 128  # or the camera would be blind
        return perception.observe(image)

    drive_in_no_time(journey, perception, observe, age_s)
    return journey, speeds


def test_easy_things_are_driven_past_fast_and_hard_ones_at_the_floor(engine: Engine) -> None:
    easy, fast = drive(engine, 250)
    hard, slow = drive(engine, 80)  # runs all layers
    assert easy.is_over
    assert hard.is_over
    assert max(fast) > 1.5 * TOP_SPEED_MPS / 2
    assert max(slow) == pytest.approx(FLOOR * TOP_SPEED_MPS, abs=1e-6)
    assert easy.time_s < hard.time_s


def test_an_unsure_network_drives_at_the_floor(engine: Engine) -> None:
    journey, speeds = drive(engine, 0)
    assert max(speeds) == pytest.approx(FLOOR * TOP_SPEED_MPS, abs=1e-6)
    assert journey.time_s == pytest.approx(7.0 / (FLOOR * TOP_SPEED_MPS), rel=0.05)


def test_answers_arrive_as_late_as_they_are_said_to(engine: Engine) -> None:
    quick, _ = drive(engine, 250)
    late, _ = drive(engine, 250, 0.25)
    (early_sign,), (late_sign,) = quick.signs(), late.signs()
    assert late_sign['read_m'] is None or late_sign['read_m'] < early_sign['read_m']
    assert {answer.age_s for _, answer in late.answers} == {0.25}


def test_the_same_drive_is_the_same_again(engine: Engine) -> None:
    one, other = drive(engine, 180), drive(engine, 180)
    assert one[0].time_s == other[0].time_s
    assert one[1] == other[1]
