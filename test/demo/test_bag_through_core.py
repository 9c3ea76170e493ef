"""The shipped recording through the shipped model, without ROS: the story that the demo tells."""

from __future__ import annotations

import numpy as np
import pytest

from demo.bag import SHIPPED_BAG, read_bag
from demo.report.summary import third_of
from eevit_ros.images.compressed import decode_compressed
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine, ExitResult
from eevit_ros.perception.shift import ShiftMonitor, ShiftSettings
from harness.paths import ROOT

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
EVERY = 6  # frames; twice or so for each picture

if not MODEL.exists():
    pytest.skip(f'{MODEL.name} is not in models/', allow_module_level=True)

Answers = list[list[tuple[str, ExitResult]]]


@pytest.fixture(scope='module')
def answers() -> Answers:
    """Truth and answer of every sixth frame, by thirds."""
    engine = Engine(MODEL, compute=Compute(provider='cpu'))
    frames = read_bag(SHIPPED_BAG)
    thirds: Answers = [[], [], []]
    for index in range(0, len(frames), EVERY):
        frame = frames[index]
        result = engine.run(decode_compressed(frame.jpeg, 'jpeg'))
        thirds[third_of(index, len(frames))].append((frame.truth, result))
    return thirds


def accuracy(third: list[tuple[str, ExitResult]]) -> float:
    return float(np.mean([truth == result.class_name for truth, result in third]))


def test_every_truth_is_a_class_of_the_model(answers: Answers) -> None:
    names = Engine(MODEL, compute=Compute(provider='cpu')).metadata.class_names
    assert {truth for third in answers for truth, _ in third} <= set(names)


def test_in_good_light_most_answers_are_right(answers: Answers) -> None:
    bright = [*answers[0], *answers[2]]
    assert accuracy(bright) > 0.4  # 100 classes: chance is 0.01


def test_in_the_dark_fewer_answers_are_right(answers: Answers) -> None:
    assert accuracy(answers[1]) < accuracy(answers[0])
    assert accuracy(answers[1]) < accuracy(answers[2])


def test_in_the_dark_frames_leave_deeper_and_less_sure(answers: Answers) -> None:
    before, dark, after = (
        np.mean([(r.depth, r.confidence) for _, r in third], axis=0) for third in answers
    )
    assert dark[0] > max(before[0], after[0])
    assert dark[1] < max(before[1], after[1])


def test_confidences_in_the_dark_are_the_least_like_the_calibrations(answers: Answers) -> None:
    # Of 20 answers, two to a picture, a verdict would hang by a few frames: so what is compared
    # is how likely these confidences would be if nothing had shifted.
    engine = Engine(MODEL, compute=Compute(provider='cpu'))
    settings = ShiftSettings(window=20, every_s=0.0)
    likely = []
    for third in answers:
        monitor = ShiftMonitor(settings, engine.metadata, engine.thresholds)
        for _, result in third:
            monitor.answer(result.exit_index, result.confidence, 0.0)
        likely.append(float(monitor.facts['shift_confidence_p']))
    before, dark, after = likely
    assert dark < min(before, after) / 4
