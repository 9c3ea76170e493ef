"""Providers that do not start, or die in a run: who answers then, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.runners import StagedRunner
from harness.tiny_model import write_tiny_model
from test.eevit_ros.model import gpu_stand_in
from test.eevit_ros.model.gpu_stand_in import OUT_OF_MEMORY, Session, sessions


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / 'tiny.onnx')


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    gpu_stand_in.install(monkeypatch, 'tensorrt', 'cuda')


def grey(level: int) -> Image:
    return np.full((32, 32, 3), level, np.uint8)


def kill(engine: Engine) -> None:
    """Let every session in memory fail from now on."""
    assert sessions()
    for session in sessions():
        session.dead = True


@pytest.mark.usefixtures('gpu')
@pytest.mark.parametrize(
    'arguments',
    [
        {'compute': Compute(execution='single')},
        {'compute': Compute(execution='staged')},
        {'exit_policy': 'patience', 'thresholds': 0.5},
    ],
    ids=['single', 'staged', 'patience'],
)
def test_a_provider_that_dies_hands_the_frame_to_the_next(
    model: Path, arguments: dict[str, object]
) -> None:
    engine = Engine(model, **arguments)  # type: ignore[arg-type]
    engine.warm_up()
    expected = [engine.run(grey(level)) for level in (255, 130, 0)]
    assert (engine.provider, engine.provider_note) == ('tensorrt', '')
    for following, dead in (('cuda', 'tensorrt'), ('cpu', 'cuda')):
        kill(engine)
        found = [engine.run(grey(level)) for level in (255, 130, 0)]
        assert engine.provider == following
        assert engine.provider_note.endswith(f'{dead} failed in a run: {OUT_OF_MEMORY}')
        for one, other in zip(expected, found, strict=True):
            assert one.exit_index == other.exit_index
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


@pytest.mark.usefixtures('gpu')
@pytest.mark.parametrize('execution', ['single', 'staged'])
def test_the_dead_one_s_memory_is_free_before_the_next_is_opened(
    model: Path, execution: str
) -> None:
    engine = Engine(model, compute=Compute(execution=execution))
    kill(engine)
    before = len(Session.made)
    engine.run(grey(0))
    following = Session.made[before]()
    assert following is not None
    assert following.alive_before == 0


@pytest.mark.usefixtures('gpu')
def test_the_last_provider_goes_on_failing_frame_by_frame_and_nothing_flaps(model: Path) -> None:
    engine = Engine(model)
    for _ in range(2):
        kill(engine)
        engine.run(grey(0))
    kill(engine)
    made = len(Session.made)
    for _ in range(3):
        with pytest.raises(EevitError, match=f'failed on cpu: {OUT_OF_MEMORY}'):
            engine.run(grey(0))
    sessions()[0].dead = False
    assert engine.run(grey(255)).exit_layer == 1
    assert (engine.provider, len(Session.made)) == ('cpu', made)


@pytest.mark.usefixtures('gpu')
def test_a_provider_that_is_insisted_on_is_kept(model: Path) -> None:
    engine = Engine(model, compute=Compute(provider='cuda'))
    kill(engine)
    for _ in range(2):
        with pytest.raises(EevitError, match='on cuda: .*out of memory.* set it to auto'):
            engine.run(grey(0))
    sessions()[0].dead = False
    assert engine.run(grey(255)).exit_layer == 1
    assert (engine.provider, engine.provider_note, len(Session.made)) == ('cuda', '', 1)


@pytest.mark.usefixtures('gpu')
def test_a_file_that_is_gone_is_looked_for_again(model: Path) -> None:
    engine = Engine(model)
    kill(engine)
    data = model.read_bytes()
    model.unlink()
    with pytest.raises(EevitError, match='out of memory; it cannot be opened again: .*not exist'):
        engine.run(grey(0))
    write_tiny_model(model, classes=5)
    with pytest.raises(EevitError, match='the file has changed: configure the node again'):
        engine.run(grey(0))
    model.write_bytes(data)
    assert engine.run(grey(255)).exit_layer == 1
    assert engine.provider == 'cuda'


@pytest.mark.usefixtures('gpu')
def test_a_budget_that_is_too_short_on_the_next_provider_takes_the_first_exit(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StagedRunner, 'spent_ms', lambda self: [1.0, 1e7, 2e7])
    engine = Engine(model, exit_policy='anytime', budget_ms=1e4, thresholds=1.0)
    monkeypatch.setattr(StagedRunner, 'spent_ms', lambda self: [2e4, 1e7, 2e7])
    kill(engine)
    assert engine.run(grey(0)).exit_index == 0
    assert 'budget_ms 10000 is too short here' in engine.provider_note


@pytest.mark.usefixtures('gpu')
def test_a_provider_that_answers_no_numbers_does_not_work(model: Path) -> None:
    def overflow(session: Session) -> None:
        session.nonsense = bool(session.options)  # TensorRT's alone has some

    Session.starts.append(overflow)
    engine = Engine(model)
    assert engine.provider == 'cuda'
    assert 'on tensorrt: it answers a grey picture with [nan nan nan]' in engine.provider_note


@pytest.mark.usefixtures('gpu')
def test_cuda_s_libraries_are_loaded_for_a_gpu_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    # Older packages lack it.
    monkeypatch.setattr(
        ort, 'preload_dlls', lambda: loaded.append(len(Session.made)), raising=False
    )
    Engine(model, compute=Compute(provider='cpu'))
    assert loaded == []
    Engine(model, compute=Compute(provider='cuda'))
    assert loaded == [1]  # before the second session


@pytest.mark.usefixtures('gpu')
def test_threads_leave_a_core_and_spin_only_if_asked_and_within_a_frame(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('eevit_ros.model.compute.all_cores', lambda: 4)

    def made(**arguments: object) -> ort.SessionOptions:
        engine = Engine(model, compute=Compute(provider='cpu', **arguments))  # type: ignore[arg-type]
        engine.run(grey(0))
        return sessions()[-1].settings

    spinning, stop = 'session.intra_op.allow_spinning', 'session.force_spinning_stop'
    assert made().intra_op_num_threads == 3
    assert made(threads=2).intra_op_num_threads == 2
    assert made().get_session_config_entry(spinning) == '0'
    assert made(spin=True).get_session_config_entry(stop) == '1'
    assert made(spin=True, execution='staged').get_session_config_entry(spinning) == '0'
