"""All exits' answers of a file, kept and read again, and what the study makes of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine, forcing
from harness.paths import ROOT
from model_export.errors import ModelExportError
from model_export.measuring import answers as module
from model_export.measuring.answers import Answers, answers
from model_export.studies.fixed_exits import fixed_exits
from model_export.studies.registry import StudyInputs
from model_export.studies.thresholds import study as thresholds
from model_export.studies.thresholds.study import study

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
LIMIT = 5
LAYERS = (3, 4, 5, 6, 7, 8, 9, 10, 12)


@pytest.fixture(scope='module')
def engine() -> Engine:
    return Engine(MODEL, compute=Compute(threads=1))


@pytest.fixture(scope='module')
def data(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A noisy image of each class."""
    folder = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for name in engine.metadata.class_names:
        (folder / 'test' / name).mkdir(parents=True)
        picture = cv2.resize(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8), (84, 84))
        cv2.imwrite(str(folder / 'test' / name / '0.png'), picture)
    return folder


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('cache') / 'answers'


@pytest.fixture(scope='module')
def found(data: Path, cache: Path) -> Answers:
    return answers(MODEL, data, limit=LIMIT, cache=cache)


def test_every_exit_answers_as_the_engine_does(found: Answers, engine: Engine, data: Path) -> None:
    exits = len(engine.metadata.exit_layers)
    assert found.probabilities.shape == (exits + 1, LIMIT, 100)
    assert found.probabilities.dtype == np.float32
    assert found.labels.tolist() == [0, 24, 49, 74, 99]
    name = engine.metadata.class_names[24]
    image = cv2.imread(str(data / 'test' / name / '0.png'))[..., ::-1]
    for exit_index in (0, 4, exits):
        engine.thresholds = forcing(exit_index, exits)
        result = engine.run(np.ascontiguousarray(image))
        np.testing.assert_allclose(
            found.probabilities[exit_index, 1], result.probabilities, atol=1e-4
        )
        assert found.right[exit_index, 1] == (result.class_index == 24)
    engine.thresholds = engine.metadata.default_thresholds


def test_half_a_file_of_answers_is_not_believed(
    found: Answers, data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'AllExits', None)  # to call it fails
    (kept,) = cache.glob('*.npz')
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TypeError):
        answers(MODEL, data, limit=LIMIT, cache=cache)
    kept.write_bytes(whole)


def test_a_limit_below_one_is_refused(data: Path) -> None:
    with pytest.raises(ModelExportError, match=r'--limit must be at least 1\. Got 0'):
        answers(MODEL, data, limit=0)


def test_the_study_agrees_with_the_engine(
    found: Answers, engine: Engine, data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = np.array([[[float(layer) * (2 - bare) for layer in LAYERS] for bare in (0, 1)]])
    monkeypatch.setattr(module, 'AllExits', None)  # the answers are read, not made again
    monkeypatch.setattr(thresholds, 'exit_times', lambda model, rounds: (twice, LAYERS))
    trade_off, fixed, shares = study(
        StudyInputs(out=cache, model=MODEL, data=data, limit=LIMIT, cache=cache)
    ).tables
    names = engine.metadata.class_names
    left = [0] * len(found.probabilities)
    hits = 0
    for label in found.labels:
        image = cv2.imread(str(data / 'test' / names[label] / '0.png'))[..., ::-1]
        result = engine.run(np.ascontiguousarray(image))
        left[result.exit_index] += 1
        hits += result.class_index == label
    assert trade_off.rows[0][:2] == ("the file's own", hits / LIMIT)
    assert shares.rows[0] == ("the file's own", *(count / LIMIT for count in left))
    speed = [float(row[3]) for row in trade_off.rows[1:] if row[3] is not None]
    assert speed == sorted(speed, reverse=True)  # a higher threshold never saves more
    # Each layer takes twice as long as in the file without heads.
    assert trade_off.rows[0][4] == pytest.approx(float(trade_off.rows[0][2] or 0) / 2)
    assert fixed.rows[-1][0] == engine.metadata.layers


def test_a_fixed_exit_pays_for_its_own_head_alone(found: Answers) -> None:
    meta = found.metadata
    rows = fixed_exits(found.metadata, found.right.mean(axis=1))
    assert rows[0][2] == meta.backbone_macs / meta.macs[0]
    second = meta.macs[1] - meta.head_macs[0]
    assert rows[1][2] == pytest.approx(meta.backbone_macs / second)
    assert rows[-1][2] == pytest.approx(1.0)
    np.testing.assert_allclose([row[1] for row in rows], found.right.mean(axis=1))
