from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.journey import Answer, Frame, Journey, drive_at_constant_speed
from drive.robot import FLOOR
from drive.simulated import drive_in_no_time
from drive.study.exact import ExactPath, label_of
from drive.study.fleet import AGE_S, Driven, drive
from drive.study.laws import Law, LawDriver, Smoothing, by_both, by_depth, follow, with_contrast
from drive.study.plans import SPEEDS_MPS, constant_speeds
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Perception, PerceptionSettings
from eevit_ros.speed.rate import RateInput, RateLaw, RateSettings
from harness.tiny_model import write_tiny_model
from test.drive.study.made_up import MODEL, PART, route

ROUTE = route()
PATHS = range(4)


@pytest.fixture(scope='module')
def constant() -> Driven:
    return drive(ROUTE, constant_speeds())


@pytest.fixture(scope='module')
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    model = write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')
    return Engine(model, compute=Compute(provider='cpu', threads=1))


@pytest.mark.parametrize(
    ('settings', 'law'),
    [
        (RateSettings(floor=FLOOR), Law(by_depth, (0.5,))),
        (
            RateSettings(floor=FLOOR, easy_depth=0.3, attack_s=1.0, easy_frames=1),
            Law(by_depth, (0.3,), Smoothing(attack_s=1.0, easy_frames=1)),
        ),
        (RateSettings(floor=FLOOR, mappings=('depth', 'confidence')), Law(by_both, (0.5,))),
        (
            RateSettings(
                floor=FLOOR,
                mappings=('depth', 'contrast'),
                min_confidence=0.5,
                release_per_s=2.0,
            ),
            Law(with_contrast(by_depth, 20.0), (0.5,), Smoothing(release_per_s=2.0), least=0.5),
        ),
    ],
)
def test_the_fleet_drives_as_perception_and_governor_do(
    engine: Engine, settings: RateSettings, law: Law
) -> None:
    found = drive(ROUTE, LawDriver(law, ROUTE.frames))
    seconds, missed = [], []
    for number in PATHS:
        path = ExactPath(ROUTE, number, MODEL)
        journey = Journey(path, label_of)
        perception = Perception(engine, PerceptionSettings(rate=settings))
        drive_in_no_time(journey, perception, path.observe, AGE_S)
        seconds.append(journey.time_s)
        missed.append(sum(sign['read_m'] is None for sign in journey.signs()))
    ours = found.seconds[0, : len(PATHS)]
    assert ours == pytest.approx(seconds, rel=0.03)
    assert found.missed[0, : len(PATHS)].sum(-1).mean() == pytest.approx(np.mean(missed), abs=1)


@pytest.mark.parametrize('speed', [1.0, 2.0])
def test_the_fleet_drives_at_constant_speed_as_the_journey_does(
    constant: Driven, speed: float
) -> None:
    row, missed = SPEEDS_MPS.index(speed), []
    for number in range(len(PART.seeds)):
        path = ExactPath(ROUTE, number, MODEL)
        journey = Journey(path, label_of)

        def ask(frame: Frame, path: ExactPath = path) -> Answer:
            seen = path.observe(frame).result
            return Answer(seen.class_name, seen.depth, seen.confidence, AGE_S)

        drive_at_constant_speed(journey, speed, ask)
        assert constant.seconds[row, number] == pytest.approx(journey.time_s, abs=0.1)
        missed.append(sum(sign['read_m'] is None for sign in journey.signs()))
    # the frames are not taken at quite the same places
    assert constant.missed[row].sum(-1).mean() == pytest.approx(np.mean(missed), abs=1)


def test_the_same_paths_go_the_same_way_again() -> None:
    law = Law(by_depth, (0.3, 0.7))
    one, other = (drive(ROUTE, LawDriver(law, ROUTE.frames)) for _ in range(2))
    assert (one.seconds == other.seconds).all()
    assert (one.missed == other.missed).all()


def test_faster_misses_more_and_takes_less_time(constant: Driven) -> None:
    assert (np.diff(constant.seconds, axis=0) < 0).all()
    missed = constant.missed.mean((1, 2))
    assert missed[0] < missed[-1]


@given(
    st.lists(st.floats(0.25, 1.0), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.15, 1.0]),
    st.sampled_from([0.25, 0.5, 5.0]),
    st.integers(1, 4),
)
def test_rates_follow_as_in_the_rate_law(
    depths: list[float], attack_s: float, release_per_s: float, easy_frames: int
) -> None:
    settings = RateSettings(
        floor=FLOOR, attack_s=attack_s, release_per_s=release_per_s, easy_frames=easy_frames
    )
    law, smoothing = RateLaw(settings), Smoothing(attack_s, release_per_s, easy_frames)
    rate, last = np.array(FLOOR), [np.array(FLOOR)] * easy_frames
    law.fault(0.0)
    for number, depth in enumerate(depths, 1):
        answer = RateInput(depth, 1.0)
        expected = law.update(answer, number / 15)
        rate = follow(rate, last, smoothing, 1 / 15)
        last = [*last[1:], np.array(law.target(answer, 1 / 15))]
        rate = follow(rate, last, smoothing, 0.0)
        assert float(rate) == pytest.approx(expected)
