"""From saved weights to thresholds by target, and to files that measure in other ways."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.model.all_exits import AllExits
from eevit_ros.model.engine import Engine
from eevit_ros.policies import NAMES, STATELESS
from eevit_ros.policies.operating_point import measure_exits
from model_export.__main__ import main
from model_export.calibration.choose import CalibrationSet, choose_with_promise
from model_export.calibration.temperatures import calibrate
from model_export.data import Dataset, Reading, fingerprint, load_split, split_held_out
from model_export.data.groups import Groups
from model_export.network.measures import measure
from model_export.recipe.recipe import Recipe
from model_export.studies.thresholds.reliability import BINS, reliability
from model_export.weights.stored import load_model, save_weights
from test.model_export.random_model import random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

AWAY_FROM_ROUNDING = 1e-4


@pytest.fixture(scope='module')
def shop(recipe: Recipe, colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a random model of three layers, as if it had been trained on the colours."""
    folder = tmp_path_factory.mktemp('thresholds')
    write_images(folder / 'data' / 'train', colours)
    write_images(folder / 'data' / 'test', colours.subset(np.arange(12)))
    data = load_split(folder / 'data', 'train', 24)
    small = dataclasses.replace(
        recipe,
        backbone=dataclasses.replace(recipe.backbone, layers=3),
        exits=(recipe.exits[0], dataclasses.replace(recipe.exits[3], layer=2)),
    )
    save_weights(random_model(small), data.class_names, fingerprint(data), folder / 'weights')
    return folder


def write_images(folder: Path, data: Dataset) -> None:
    for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        path = folder / data.class_names[label] / f'{number:03}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.ascontiguousarray(image))


def command(shop: Path, *words: object) -> int:
    name, source, *options = words
    return main(
        [str(word) for word in (name, shop / str(source), '--data', shop / 'data', *options)]
    )


@pytest.fixture(scope='module')
def exported(shop: Path) -> Path:
    """A file that measures by entropy and promises something."""
    path = shop / 'entropy.onnx'
    options = ['--policy', 'entropy', '--risk', 0.3, '--delta', 0.2, '--out', path]
    assert command(shop, 'export', 'weights', *options) == 0
    return path


def test_the_graph_measures_as_numpy_does_at_every_exit(
    exported: Path, images: torch.Tensor
) -> None:
    engine = Engine(exported)
    meta = engine.metadata
    assert meta.policy == 'entropy'
    every_exit = AllExits(exported)
    for image in images.numpy()[:4]:
        probabilities = every_exit.probabilities(image)[:, None]
        found = measure_exits(STATELESS[meta.policy](), probabilities).measure[:-1, 0]
        np.testing.assert_array_equal(every_exit.answers(image).measure[:-1], found)
        for exit_index, value in enumerate(found.tolist()):
            closed = [1.0] * 2
            closed[exit_index] = max(value - AWAY_FROM_ROUNDING, 0)
            engine.thresholds = closed
            result = engine.run(image)
            assert result.exit_index == exit_index
            # What is published stays the answer's probability, whatever was compared.
            assert result.confidence == pytest.approx(probabilities[exit_index].max(), abs=1e-5)
            closed[exit_index] = min(value + AWAY_FROM_ROUNDING, 1)
            engine.thresholds = closed
            assert engine.run(image).exit_index == 2


@settings(deadline=None, max_examples=30)
@given(
    policy=st.sampled_from(sorted(STATELESS)),
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 100),
    sharpness=st.sampled_from([0.0, 0.1, 3.0, 300.0]),
)
def test_torch_and_numpy_measure_alike(
    policy: str, seed: int, classes: int, sharpness: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    probabilities = (torch.randn(1, classes, generator=generator) * sharpness).softmax(-1)
    expected = measure_exits(STATELESS[policy](), probabilities.numpy()[None]).measure[0, 0]
    found = measure(policy, probabilities)
    assert float(found) == pytest.approx(float(expected), abs=1e-5)
    assert 0 < found <= 1


def test_another_policy_is_evaluated_without_a_wall_clock(
    shop: Path, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shop / 'patience.json'
    options = ['--policy', 'patience', '--thresholds', 0.5, '--out', out]  # two in a row
    assert command(shop, 'evaluate', exported.name, *options) == 0
    figures = json.loads(out.read_text())
    layers, shares = zip(*((row['layer'], row['share']) for row in figures['exits']), strict=True)
    assert shares[0] == 0 and sum(shares) == pytest.approx(1)
    assert figures['speedup_layers'] == pytest.approx(3 / np.dot(layers, shares))
    said = capsys.readouterr().out
    assert f'| {layers[0]} | 0.0% |  |' in said  # no accuracy where no image left
    worst = figures['worst_classes']
    assert len(worst) <= 5 and worst == sorted(worst, key=lambda row: row['accuracy'])
    assert all(row['class'] != row['taken_for'] and row['class'] in said for row in worst)
    assert command(shop, 'evaluate', exported.name, '--policy', 'patience') == 2
    assert '--policy and --thresholds go together' in capsys.readouterr().err


def test_the_promise_is_in_the_file(exported: Path) -> None:
    promise = Engine(exported).metadata.promise
    assert promise is not None
    assert (promise.kind, promise.epsilon, promise.delta) == ('accuracy_gap', 0.3, 0.2)
    assert (promise.samples, promise.policy) == (20, 'entropy')  # half of what was held out


def test_a_promise_is_tested_on_groups_that_nothing_was_fitted_on(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Reading(group_by=r'\d\d(?=\d)')  # ten numbers in a row are a group
    data = load_split(shop / 'data', 'train', 24, reading)
    model, _ = load_model(shop / 'weights')
    save_weights(model, data.class_names, fingerprint(data), shop / 'grouped', reading)
    fitted_on: list[Groups] = []
    tested_on: list[Groups] = []

    def fit(logits: torch.Tensor, labels: torch.Tensor, index: np.ndarray) -> object:
        _, held_out = split_held_out(data, model.recipe.held_out, model.recipe.held_out_seed)
        assert held_out.groups is not None
        fitted_on.append(held_out.groups[index])
        return calibrate(logits, labels, index)

    def choose(to_choose: CalibrationSet, to_test: CalibrationSet, *target: float) -> object:
        assert to_test.groups is not None
        tested_on.append(to_test.groups)
        return choose_with_promise(to_choose, to_test, *target)

    monkeypatch.setattr('model_export.calibration.temperatures.calibrate', fit)
    monkeypatch.setattr('model_export.calibration.exit_settings.choose_with_promise', choose)
    out = shop / 'grouped.onnx'
    assert command(shop, 'export', 'grouped', '--risk', 0.3, '--delta', 0.2, '--out', out) == 0
    (fitted,), (tested,) = fitted_on, tested_on
    assert len(fitted) and len(tested) and not set(fitted) & set(tested)


@pytest.mark.parametrize('policy', ['softmax', 'patience'])
def test_thresholds_of_a_run_are_written_with_the_trade_off(shop: Path, policy: str) -> None:
    out = shop / f'of_{policy}'
    assert command(shop, 'thresholds', 'weights', '--policy', policy, '--out', out) == 0
    figures = json.loads((out / 'trade_off.json').read_text())
    tables = {table['name']: table for table in figures['tables']}
    assert [row[0] for row in tables['policies']['rows']] == list(NAMES)
    assert len(tables['exits']['rows']) == 3
    assert sum(row[3] for row in tables['exits']['rows']) == pytest.approx(1)
    speedups = [row[0] for row in tables['trade_off']['rows']]
    assert speedups[-1] == max(speedups)
    assert (out / 'trade_off-curve.png').exists() and (out / 'trade_off-reliability.png').exists()
    written = out / 'thresholds.yaml'
    assert written.exists() == (policy == 'softmax')
    if policy == 'softmax':
        values = yaml.safe_load(written.read_text())['/**']['ros__parameters']['thresholds']
        assert len(values) == 2 and all(0 <= value <= 1 for value in values)


def test_a_file_is_fast_enough_for_a_target_in_milliseconds(
    shop: Path,
    exported: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('model_export.commands.thresholds.ROUNDS', 20)
    out = shop / 'p99'
    options = ['--split', 'train', '--out', out]
    assert command(shop, 'thresholds', exported.name, *options, '--p99-ms', 10_000) == 0
    assert 'The 99th percentile of a frame' in (out / 'trade_off.md').read_text()
    assert command(shop, 'thresholds', exported.name, *options, '--p99-ms', 1e-6) == 1
    assert 'p99 within 1e-06 ms: no thresholds keep' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'code', 'message'),
    [
        (['export', '--policy', 'patience'], 2, '--policy must be one of'),
        (
            ['export', '--risk', 0.001, '--delta', 1e-9],
            1,
            'cannot be promised: it was tested on 20 images, and needs',
        ),
        (['export', '--risk', 2], 2, '--risk must be a share within (0, 1). Got 2.0'),
        (['export', '--delta', 0], 2, '--delta must be a share within (0, 1). Got 0.0'),
        (['export', '--max-drop', 1], 2, '--max-drop must be a share within [0, 1)'),
        (['export', '--min-speedup', 0], 2, '--min-speedup must be above 0'),
        (['export', '--min-speedup', 1000], 1, 'at least 1000x fewer MACs: no thresholds keep'),
        (['thresholds', '--policy', 'mood'], 2, 'policy must be one of'),
        (['thresholds', '--p99-ms', 5], 2, '--p99-ms is measured on this machine'),
        (['thresholds', '--split', 'test'], 2, '--split test'),
    ],
)
def test_a_target_out_of_reach_is_one_line(
    shop: Path, capsys: pytest.CaptureFixture[str], words: list[object], code: int, message: str
) -> None:
    name, *options = words
    assert command(shop, name, 'weights', *options, '--out', shop / 'none') == code
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error and len(error.splitlines()) == 1
    assert not (shop / 'none').exists()


def test_the_calibration_error_of_known_answers() -> None:
    """Of 100 answers at 0.8, 60 are right: a gap of 0.2; 50 sure ones are right: none."""
    confidence = np.repeat([0.8, 1.0], [100, 50])
    probabilities = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    labels = np.repeat([0, 1, 0], [60, 40, 50])
    found = reliability(probabilities, labels)
    assert found.ece == pytest.approx(0.2 * 100 / 150)
    assert found.count[int(0.8 * BINS)] == 100 and found.count[-1] == 50
    assert found.accuracy[int(0.8 * BINS)] == pytest.approx(0.6)
