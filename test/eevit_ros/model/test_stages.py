"""One file in both forms: the same answers, and what only the staged form can do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model import providers
from eevit_ros.model.compute import PROVIDERS, Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.ort_session import open_session
from eevit_ros.model.promise import Promise
from eevit_ros.model.runners import MakeSession, StagedRunner
from eevit_ros.model.stages import cut_stages
from eevit_ros.perception.shift import ShiftMonitor, ShiftSettings
from eevit_ros.policies import NAMES, Anytime, build_policy
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from harness.tiny_model import tiny_metadata, write_tiny_model

LEVELS = range(0, 256, 5)
EVERY_EXIT = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('stages') / 'tiny.onnx')


@pytest.fixture(scope='module')
def staged(model: Path) -> Engine:
    return Engine(model, compute=Compute(execution='staged'))


def grey(level: int) -> Image:
    return np.full((32, 32, 3), level, np.uint8)


# Both forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize('thresholds', [*EVERY_EXIT, (0.8, 0.8), (0.5, 0.9)])
def test_both_forms_answer_alike(model: Path, thresholds: tuple[float, float]) -> None:
    single = Engine(model, compute=Compute(execution='single'), thresholds=thresholds)
    staged = Engine(model, compute=Compute(execution='staged'), thresholds=thresholds)
    assert (single.execution, staged.execution) == ('single', 'staged')
    assert (single.metadata, single.sha256) == (staged.metadata, staged.sha256)
    for level in LEVELS:
        one, other = single.run(grey(level)), staged.run(grey(level))
        assert (one.exit_index, one.class_index) == (other.exit_index, other.class_index)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_an_earlier_answer_is_not_overwritten_by_a_later_one(staged: Engine) -> None:
    first = staged.run(grey(200))
    before = first.probabilities.copy()
    staged.run(grey(100))
    assert np.array_equal(first.probabilities, before)


def test_one_graph_runs_unless_a_policy_needs_stages(model: Path) -> None:
    assert Engine(model, compute=Compute(provider='cpu')).execution == 'single'
    assert Engine(model, exit_policy='margin', thresholds=0.5).execution == 'staged'


@pytest.mark.filterwarnings('ignore:Duplicate provider')
def test_on_a_gpu_hidden_states_of_stages_stay_there(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []

    def on_the_cpu(data: bytes, make_session: MakeSession, device: str) -> StagedRunner:
        devices.append(device)
        return StagedRunner(data, make_session, 'cpu')

    monkeypatch.setitem(PROVIDERS, 'cuda', PROVIDERS['cpu'])  # as if it were there
    monkeypatch.setattr(providers, 'StagedRunner', on_the_cpu)
    engine = Engine(model, compute=Compute(execution='staged'))
    assert (engine.provider, engine.execution, devices) == ('cuda', 'staged', ['cuda'])
    assert Engine(model).execution == 'single'


def test_warm_up_visits_every_stage(staged: Engine) -> None:
    staged.warm_up()
    assert staged.thresholds == (0.8, 0.8)


def test_a_nan_is_an_error_in_stages_too(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / 'nan.onnx', nan_when_black=True)
    for policy in ('own', 'patience'):
        engine = Engine(
            path, compute=Compute(execution='staged'), exit_policy=policy, thresholds=0.8
        )
        with pytest.raises(EevitError, match='probabilities from nan to nan'):
            engine.run(grey(0))
        assert engine.run(grey(255)).confidence == 1


def test_the_file_is_let_go_once_its_stages_are_loaded(model: Path) -> None:
    data = bytearray(model.read_bytes())
    runner = StagedRunner(data, open_on_cpu, 'cpu')
    data.clear()  # fails as long as anything views it
    probabilities, exit_index = runner.run(grey(255), (0.8, 0.8))
    assert (probabilities.max(), exit_index) == (1, [0])


# Policies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('thresholds', [*EVERY_EXIT, (0.5, 0.5), (0.3, 0.7)])
@pytest.mark.parametrize('name', NAMES)
def test_a_policy_decides_as_it_does_offline(
    model: Path, staged: Engine, name: str, thresholds: tuple[float, float]
) -> None:
    engine = Engine(model, exit_policy=name, thresholds=thresholds)
    assert engine.exit_policy == name
    measures = measure_exits(build_policy(name, engine.metadata.accuracy), all_exits(staged))
    taken = exits_taken(measures.measure, np.array(thresholds, np.float32))
    for number, level in enumerate(LEVELS):
        result = engine.run(grey(level))
        assert result.exit_index == taken[number]
        assert result.class_index == measures.answer[taken[number], number]


@pytest.mark.parametrize('budget_ms', [1.0, 1.9, 2.0, 3.9, 4.0, 100.0])
def test_anytime_answers_within_its_budget(model: Path, staged: Engine, budget_ms: float) -> None:
    accuracy = (0.5, 0.9, 0.7)  # the second exit's answer is better than the final one's
    policy = Anytime((1.0, 2.0, 4.0), budget_ms, accuracy)
    runner = StagedRunner(model.read_bytes(), open_on_cpu, 'cpu')
    measures = measure_exits(policy, all_exits(staged))
    taken = exits_taken(measures.measure, np.array((1.0, 0.9), np.float32))
    for number, level in enumerate(LEVELS):
        policy.start()
        probabilities, exit_index = runner.run(grey(level), (1.0, 0.9), policy)
        assert exit_index == [taken[number]]
        assert probabilities.argmax() == measures.answer[taken[number], number]
        assert probabilities.max() == measures.confidence[taken[number], number]


def test_the_engine_looks_at_the_clock(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StagedRunner, 'spent_ms', lambda self: [0.001, 1e7, 2e7])
    engine = Engine(model, exit_policy='anytime', budget_ms=1e4, thresholds=1.0)
    engine.warm_up()
    assert engine.run(grey(0)).exit_index == 0
    assert engine.run(grey(0), full_depth=True).exit_index == 2
    engine = Engine(model, exit_policy='anytime', budget_ms=1e9)
    assert engine.thresholds == (0.8, 0.8)  # it compares what the file compares
    assert [engine.run(grey(level)).exit_index for level in (255, 150, 0)] == [0, 1, 2]


def test_times_to_the_exits_rise(model: Path) -> None:
    times = StagedRunner(model.read_bytes(), open_on_cpu, 'cpu').spent_ms()
    assert len(times) == 3
    assert 0 < times[0] < times[1] < times[2]


def test_under_another_policy_nothing_of_the_calibration_holds(tmp_path: Path) -> None:
    promise = Promise('accuracy_gap', 0.02, 0.05, 2500, '0123456789abcdef', 'softmax')
    props = replace(tiny_metadata(), promise=promise).to_props()
    path = write_tiny_model(tmp_path / 'tiny.onnx', props=props)
    for execution in ('single', 'staged'):
        assert Engine(path, compute=Compute(execution=execution)).promise == str(promise)
    engine = Engine(path, exit_policy='patience', thresholds=0.8)
    assert engine.promise == 'does not hold: exit policy patience, and softmax was tested'
    monitor = ShiftMonitor(
        ShiftSettings(), engine.metadata, engine.thresholds, exit_policy=engine.exit_policy
    )
    assert monitor.state == 'not tested: the calibration used another exit policy'


# What does not fit -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'complaint'),
    [
        ({'exit_policy': 'luck'}, "exit_policy must be one of .*'anytime'.* Got 'luck'"),
        ({'exit_policy': 'patience'}, 'softmax .* exit_policy patience: set thresholds'),
        (
            {'exit_policy': 'patience', 'compute': Compute(execution='single'), 'thresholds': 0.5},
            "'patience' .* set execution to 'staged'.* Got 'single'",
        ),
        ({'exit_policy': 'anytime'}, "budget_ms must be above 0 .* Got 0.0 with 'anytime'"),
        ({'exit_policy': 'anytime', 'budget_ms': float('nan')}, 'Got nan'),
        ({'budget_ms': 5.0}, "budget_ms must be .* Got 5.0 with 'own'"),
        ({'exit_policy': 'anytime', 'budget_ms': 1e-6}, 'too short: the first exit answers after'),
        ({'compute': Compute(execution='staged'), 'thresholds': (0.1, 0.2, 0.3)}, 'one value or 2'),
    ],
)
def test_what_does_not_fit_is_refused(
    model: Path, arguments: dict[str, object], complaint: str
) -> None:
    with pytest.raises(EevitError, match=complaint):
        Engine(model, **arguments)  # type: ignore[arg-type]


def test_thresholds_do_not_go_back_to_those_of_another_policy(model: Path) -> None:
    engine = Engine(model, exit_policy='consensus', thresholds=0.5)
    with pytest.raises(EevitError, match='mean nothing to exit_policy consensus'):
        _ = engine.default_thresholds


def test_a_graph_that_is_no_row_of_stages_says_what_to_do(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(str(model))
    node = next(node for node in proto.graph.node if 'probabilities' in node.output)
    node.CopyFrom(helper.make_node('Mul', ['probabilities_2', 'one'], ['probabilities']))
    path = tmp_path / 'other.onnx'
    path.write_bytes(proto.SerializeToString())
    assert Engine(path).run(grey(255)).confidence == 1
    with pytest.raises(
        EevitError, match=r"other.onnx: the graph is not a row of stages.*execution to 'single'"
    ):
        Engine(path, compute=Compute(execution='staged'))


def test_stages_and_exits_must_be_as_many(model: Path, tmp_path: Path) -> None:
    props = tiny_metadata(exit_layers=(1, 2, 3)).to_props()
    path = write_tiny_model(tmp_path / 'tiny.onnx', props=dict(props))
    with pytest.raises(EevitError, match='the graph has 3 stages, the metadata 4 exits'):
        Engine(path, compute=Compute(execution='staged'))


@pytest.mark.parametrize('end', [1, 10, 1000, -1])
def test_a_truncated_file_is_refused(model: Path, end: int) -> None:
    with pytest.raises(EevitError):
        cut_stages(model.read_bytes()[:end])


def open_on_cpu(graph: bytes) -> object:
    return open_session(graph, Compute(provider='cpu', threads=1))


def all_exits(engine: Engine) -> np.ndarray:
    """Every exit's probabilities (E + 1, N, C) of all levels."""
    kept, found = engine.thresholds, []
    for thresholds in EVERY_EXIT:
        engine.thresholds = thresholds
        found.append([engine.run(grey(level)).probabilities for level in LEVELS])
    engine.thresholds = kept
    return np.array(found)
