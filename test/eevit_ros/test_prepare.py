"""The command that builds engines ahead; TensorRT's own part is a stand-in, see gpu_stand_in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eevit_ros.prepare import main
from harness.paths import ROOT
from harness.tiny_model import write_tiny_model
from test.eevit_ros.model import gpu_stand_in
from test.eevit_ros.model.gpu_stand_in import ENGINE, Session, write_engine


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / 'tiny.onnx')


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu_stand_in.install(monkeypatch, 'tensorrt')
    Session.starts.append(write_engine)


@pytest.fixture
def arguments(model: Path, tmp_path: Path) -> list[str]:
    return ['--model', str(model), '--cache-dir', str(tmp_path / 'cache')]


def test_on_the_cpu_there_is_nothing_to_build_and_the_file_is_proved(
    arguments: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, '-m', 'eevit_ros.prepare', '--provider', 'cpu', *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'is open on cpu, single' in done.stdout
    assert '3 exits have answered' in done.stdout
    assert 'nothing to build: only TensorRT builds engines, and this is cpu' in done.stdout
    assert not (tmp_path / 'cache').exists()


@pytest.mark.usefixtures('tensorrt')
def test_engines_are_built_once_with_progress(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments += ['--execution', 'staged']
    assert main(arguments) == 0
    first = capsys.readouterr().out
    for text in ('building them takes minutes, once', 'TensorRT: graph 3 of 3', '] built: 0.0 MiB'):
        assert text in first
    engines = sorted((tmp_path / 'cache' / 'tensorrt').iterdir())
    assert str(engines[0].parent) in first
    for number, engine in enumerate(engines, 1):
        assert engine.name.endswith(f'_staged_fp16_graph{number}_sm87.engine')
    assert len(engines) == 3
    assert main(arguments) == 0
    second = capsys.readouterr().out
    assert 'nothing to build: there are 0.0 MiB of engines' in second
    assert 'minutes' not in second


@pytest.mark.usefixtures('tensorrt')
def test_an_engine_that_was_spoilt_is_said_and_built_again(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    (engine,) = (tmp_path / 'cache').glob('tensorrt/*.engine')
    engine.write_bytes(bytes(len(ENGINE)))
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert 'does not accept these engines' in out
    assert '] built: ' in out
    assert engine.read_bytes() == ENGINE


@pytest.mark.usefixtures('tensorrt')
def test_a_folder_that_cannot_be_written_is_said_and_the_model_runs(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'file'
    file.write_text('')
    seen = []
    Session.starts.append(lambda session: seen.append(session.options))
    assert main(['--model', str(model), '--cache-dir', str(file)]) == 0
    out = capsys.readouterr().out
    assert f'cache_dir: {file}' in out
    assert 'the engines were built and could not be kept' in out
    assert seen == [{'trt_fp16_enable': True}]


@pytest.mark.usefixtures('tensorrt')
def test_tensorrt_gets_its_options(arguments: list[str], tmp_path: Path) -> None:
    seen = []
    Session.starts.append(lambda session: seen.append(session.options))
    for more in ([], ['--fp32']):
        assert main([*arguments, *more]) == 0
    half, full = seen
    # `is`: Python's bindings take no other word for a switch than True and False.
    assert (half['trt_fp16_enable'], full['trt_fp16_enable']) == (True, False)
    assert half['trt_engine_cache_enable'] is half['trt_timing_cache_enable'] is True
    assert half['trt_engine_cache_path'] == half['trt_timing_cache_path']
    assert half['trt_engine_cache_path'].startswith(str(tmp_path / 'cache'))


def test_a_fallback_is_a_warning_and_insisting_is_an_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu_stand_in.install(monkeypatch, 'cuda')

    def refuse_once(session: Session) -> None:
        Session.starts.clear()
        raise RuntimeError('no CUDA-capable device is detected')

    Session.starts.append(refuse_once)
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert 'WARNING: on cuda: no CUDA-capable device' in said.err
    assert 'this is cpu' in said.out
    Session.starts.append(refuse_once)
    assert main([*arguments, '--provider', 'cuda']) == 1
    assert 'prepare: ' in (error := capsys.readouterr().err)
    assert 'the model does not run on cuda: no CUDA-capable device is detected' in error


@pytest.mark.parametrize(
    ('more', 'complaint'),
    [
        (['--cache-dir', 'engines'], "'cache_dir' must be an absolute path"),
        (['--model', '/nowhere/model.onnx'], '/nowhere/model.onnx: the model file does not exist'),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    arguments: list[str], more: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *more]) == 1
    error = capsys.readouterr().err
    assert error.startswith('prepare: ')
    assert complaint in error
