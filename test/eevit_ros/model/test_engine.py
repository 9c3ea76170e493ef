"""The engine on the tiny model, whose exit is steered by brightness."""

from __future__ import annotations

import hashlib
import math
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from harness.tiny_model import write_tiny_model

PLENTY_S = 60


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('engine') / 'tiny.onnx')


@pytest.fixture
def engine(model: Path) -> Engine:
    return Engine(model)


def grey(level: int, height: int = 32, width: int = 32) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


# Answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('level', 'exit_index', 'layer'),
    [(255, 0, 1), (180, 0, 1), (177, 1, 2), (91, 1, 2), (88, 2, 4)],
)
def test_brightness_decides_the_exit(
    engine: Engine, level: int, exit_index: int, layer: int
) -> None:
    result = engine.run(grey(level))
    assert (result.exit_index, result.exit_layer) == (exit_index, layer)
    assert result.depth == layer / 4
    gain = (1, 2, 4)[exit_index]
    assert result.confidence == pytest.approx(min(1, 1 / 3 + 2 / 3 * level / 255 * gain), abs=1e-6)


@pytest.mark.parametrize(('channel', 'name'), [(0, 'class 0'), (1, 'class 1'), (2, 'class 2')])
def test_the_class_is_the_brightest_channel(engine: Engine, channel: int, name: str) -> None:
    image = grey(100)
    image[..., channel] = 250
    result = engine.run(image)
    assert (result.class_index, result.class_name) == (channel, name)
    assert result.probabilities[channel] == result.confidence == result.probabilities.max()


def test_probabilities_are_one_distribution(engine: Engine) -> None:
    result = engine.run(grey(120))
    assert result.probabilities.shape == (3,)
    assert result.probabilities.dtype == np.float32
    assert result.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert result.preprocess_ms >= 0
    assert result.inference_ms > 0


def test_top_is_best_first_and_no_longer_than_there_are_classes(engine: Engine) -> None:
    image = grey(0)
    image[..., 1] = 200
    result = engine.run(image)
    assert result.top(1) == [(1, result.confidence)]
    assert [index for index, _ in result.top(9)] == [1, 0, 2]
    assert result.top(0) == []


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 255))
def test_frames_of_any_size_give_the_same_answer(
    model: Path, height: int, width: int, level: int
) -> None:
    engine = Engine(model)
    result, reference = engine.run(grey(level, height, width)), engine.run(grey(level))
    assert result.exit_index == reference.exit_index
    assert np.array_equal(result.probabilities, reference.probabilities)


def test_a_view_with_padded_rows_reads_as_the_plain_frame(engine: Engine) -> None:
    rng = np.random.default_rng(0)
    padded = rng.integers(0, 256, (40, 64 * 3 + 7), np.uint8)
    view = np.lib.stride_tricks.as_strided(padded, (40, 64, 3), (padded.strides[0], 3, 1))
    plain = np.ascontiguousarray(view)
    assert np.array_equal(engine.run(view).probabilities, engine.run(plain).probabilities)


def test_the_same_frame_always_gives_the_same_answer(engine: Engine) -> None:
    image = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    first = engine.run(image)
    for level in (0, 100, 255):  # the second run of a kind is the first to use planned memory
        engine.run(grey(level))
        assert np.array_equal(engine.run(image).probabilities, first.probabilities)


def test_the_hash_is_that_of_the_file(engine: Engine, model: Path) -> None:
    assert engine.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()


# Thresholds --------------------------------------------------------------------------------------


def test_without_thresholds_the_models_own_apply(engine: Engine) -> None:
    assert engine.thresholds == engine.metadata.default_thresholds == (0.8, 0.8)


@pytest.mark.parametrize('level', [0, 128, 255])  # white: confidence 1, which a 1 still refuses
@pytest.mark.parametrize(('thresholds', 'exit_index'), [((0, 0), 0), ((1, 0), 1), ((1, 1), 2)])
def test_zeros_and_ones_force_the_exit(
    engine: Engine, level: int, thresholds: tuple[float, float], exit_index: int
) -> None:
    engine.thresholds = thresholds
    assert engine.run(grey(level)).exit_index == exit_index


def test_a_threshold_must_be_exceeded_not_reached(engine: Engine) -> None:
    engine.thresholds = 0.0
    confidence = engine.run(grey(100)).confidence
    engine.thresholds = (confidence, 1)
    assert engine.run(grey(100)).exit_index == 2
    engine.thresholds = (float(np.nextafter(np.float32(confidence), np.float32(0))), 1)
    assert engine.run(grey(100)).exit_index == 0


@pytest.mark.parametrize('given_', [0.25, [0.25], (0.25, 0.25), np.array([0.25, 0.25])])
def test_one_value_or_one_an_exit(model: Path, given_: float) -> None:
    assert Engine(model, thresholds=given_).thresholds == (0.25, 0.25)


@pytest.mark.parametrize(
    ('bad', 'complaint'),
    [
        ([], 'one value or 2'),
        ([0.1, 0.2, 0.3], r'one value or 2, one per early exit. Got \[0.1, 0.2, 0.3\]'),
        ([[0.1, 0.2]], 'one value or 2'),
        (math.nan, r'within \[0, 1\]. Got nan'),
        ([0.5, math.nan], r'within \[0, 1\]. Got nan'),
        ([0.5, -0.1], 'Got -0.1'),
        ([1.5, 0.1], 'Got 1.5'),
        (math.inf, 'Got inf'),
        ('high', "must be numbers. Got 'high'"),
        ([[0.1], [0.1, 0.2]], 'must be numbers'),
        (None, 'Got nan|must be numbers'),
    ],
)
def test_wrong_thresholds_are_refused_and_the_old_ones_stay(
    engine: Engine, bad: object, complaint: str
) -> None:
    with pytest.raises(EevitError, match=complaint):
        engine.thresholds = bad  # type: ignore[assignment]
    assert engine.thresholds == (0.8, 0.8)


def test_wrong_thresholds_refuse_the_engine(model: Path) -> None:
    with pytest.raises(EevitError, match='thresholds must be one value or 2'):
        Engine(model, thresholds=[0.1, 0.2, 0.3])


def test_a_frame_sees_old_or_new_thresholds_never_a_mixture(engine: Engine) -> None:
    engine.thresholds = 0.0
    first_seen, stop = threading.Event(), threading.Event()

    def toggle() -> None:
        while not stop.is_set():
            engine.thresholds = (1, 1)
            first_seen.set()
            engine.thresholds = (0, 0)

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        assert first_seen.wait(PLENTY_S)
        exits = {engine.run(grey(128)).exit_index for _ in range(500)}
    finally:
        stop.set()
        thread.join(PLENTY_S)
    assert exits <= {0, 2}  # (1, 0) would leave at 1


# Bad frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('image', 'complaint'),
    [
        (np.zeros((8, 8), np.uint8), r'Got shape \(8, 8\)'),
        (np.zeros((8, 8, 1), np.uint8), r'Got shape \(8, 8, 1\)'),
        (np.zeros((8, 8, 4), np.uint8), r'Got shape \(8, 8, 4\)'),
        (np.zeros((1, 8, 8, 3), np.uint8), 'Got shape'),
        (np.zeros((0, 8, 3), np.uint8), r'Got shape \(0, 8, 3\)'),
        (np.zeros((8, 8, 3), np.float32), 'Got float32'),
        (np.zeros((8, 8, 3), np.int8), 'Got int8'),
        ([[[0, 0, 0]]], 'Got list'),
        (None, 'Got NoneType'),
    ],
)
def test_a_bad_frame_is_refused_and_the_next_good_one_works(
    engine: Engine, image: object, complaint: str
) -> None:
    with pytest.raises(EevitError, match=complaint):
        engine.run(image)  # type: ignore[arg-type]
    assert engine.run(grey(255)).exit_layer == 1


def test_probabilities_that_are_no_numbers_are_an_error_not_an_answer(tmp_path: Path) -> None:
    engine = Engine(write_tiny_model(tmp_path / 'nan.onnx', nan_when_black=True))
    engine.warm_up()
    for thresholds in (0.0, 1.0):
        engine.thresholds = thresholds
        with pytest.raises(EevitError, match='probabilities from nan to nan'):
            engine.run(grey(0))
    assert engine.run(grey(200)).exit_layer == 4


# Models that do not keep the contract ------------------------------------------------------------


def tampered(path: Path, output: str, value: npt.NDArray[np.generic]) -> Path:
    """Write a tiny model that always answers `value` at `output`, whatever it computes."""
    model = onnx.load(write_tiny_model(path))
    node = next(node for node in model.graph.node if output in node.output)
    node.CopyFrom(helper.make_node('Constant', [], [output], value=numpy_helper.from_array(value)))
    path.write_bytes(model.SerializeToString())
    return path


def test_a_model_that_answers_logits_is_refused(tmp_path: Path) -> None:
    logits = np.array([[12.5, 0, -3]], np.float32)
    engine = Engine(tampered(tmp_path / 'logits.onnx', 'probabilities', logits))
    with pytest.raises(EevitError, match=r'probabilities from -3.0 to 12.5, not within \[0, 1\]'):
        engine.run(grey(0))


@pytest.mark.parametrize('value', [(0.6, 0.6, 0.2), (0.3, 0.3, 0.3), (0.0, 0.0, 0.0)])
def test_probabilities_that_are_no_distribution_are_refused(
    tmp_path: Path, value: tuple[float, ...]
) -> None:
    shares = np.array([value], np.float32)
    engine = Engine(tampered(tmp_path / 'shares.onnx', 'probabilities', shares))
    with pytest.raises(EevitError, match=f'add up to {sum(value):.4g}, not to 1'):
        engine.run(grey(0))


def test_rounding_above_one_is_no_error_and_no_confidence_above_one(tmp_path: Path) -> None:
    value = np.array([[1.0005, 0, 0]], np.float32)
    engine = Engine(tampered(tmp_path / 'half.onnx', 'probabilities', value))
    assert engine.run(grey(0)).confidence == 1


def test_an_exit_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    engine = Engine(tampered(tmp_path / 'exit.onnx', 'exit_index', np.array([7], np.int32)))
    with pytest.raises(EevitError, match=r'exit_index must be 0..2. The model answered 7'):
        engine.run(grey(0))


def test_warm_up_visits_every_exit_and_leaves_the_thresholds(engine: Engine) -> None:
    engine.warm_up()
    assert engine.thresholds == (0.8, 0.8)


def test_warm_up_finds_a_model_deaf_to_thresholds(tmp_path: Path) -> None:
    engine = Engine(tampered(tmp_path / 'deaf.onnx', 'exit_index', np.array([0], np.int32)))
    with pytest.raises(EevitError, match=r'\(1.0, 0.0\) must force exit 1. The model left at 0'):
        engine.warm_up()


# Providers ---------------------------------------------------------------------------------------


def test_cpu_can_be_insisted_on(model: Path) -> None:
    engine = Engine(model, compute=Compute(provider='cpu', threads=1))
    assert (engine.provider, engine.provider_note) == ('cpu', '')


@pytest.mark.skipif(
    'TensorrtExecutionProvider' in ort.get_available_providers(),
    reason='TensorRT is installed here',
)
def test_a_provider_that_is_not_installed_is_refused(model: Path) -> None:
    with pytest.raises(EevitError, match="provider 'tensorrt' is not in this ONNX Runtime"):
        Engine(model, compute=Compute(provider='tensorrt'))


@pytest.mark.skipif(
    'CUDAExecutionProvider' in ort.get_available_providers(), reason='CUDA may really start here'
)
def test_a_provider_that_is_listed_but_does_not_start_falls_back_with_a_note(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a computer looks like whose GPU wheel finds no driver: listed, but never started.
    listed = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(ort, 'get_available_providers', lambda: listed)
    with pytest.warns(UserWarning, match='CUDAExecutionProvider'):  # ONNX Runtime's own
        engine = Engine(model)
    assert engine.provider == 'cpu'
    assert engine.provider_note.startswith('on cuda: ONNX Runtime fell back')
    assert engine.run(grey(255)).exit_layer == 1
    with (
        pytest.warns(UserWarning, match='CUDAExecutionProvider'),
        pytest.raises(EevitError, match='on cuda: ONNX Runtime fell back'),
    ):
        Engine(model, compute=Compute(provider='cuda'))
