"""TensorRT's engines on disk: built once, found again, and built again when TensorRT refuses them.

What writes and reads engines stands in for TensorRT and ONNX Runtime; the folder is real.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute
from eevit_ros.model.tensorrt_cache import EngineCache

MODEL = '0f' * 32


def build(path: Path | None) -> str:
    """Stand in for TensorRT: load the engine that is there, or build one."""
    if path is None:
        return 'built'
    engine = Path(f'{path}_graph1_sm87.engine')
    if engine.exists():
        if engine.read_text() != 'an engine':
            raise RuntimeError('could not deserialize engine from cache')
        return 'loaded'
    engine.write_text('an engine')
    return 'built'


def fail(path: Path | None) -> str:
    raise RuntimeError('out of memory')


def cache(root: Path, sha256: str = MODEL, **options: bool | str) -> EngineCache:
    compute = Compute(cache_dir=str(root), **options)  # type: ignore[arg-type]
    return EngineCache(sha256, compute, lambda text: None)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with one engine."""
    made = cache(tmp_path)
    assert made.use(build) == 'built'
    assert (made.built, made.note) == (True, '')
    return tmp_path


def test_engines_are_built_once_and_found_again(built: Path) -> None:
    again = cache(built)
    assert again.use(build) == 'loaded'
    assert (again.built, again.note, len(again.engines())) == (False, '', 1)


@pytest.mark.parametrize(
    ('sha256', 'options'),
    [
        ('a0' * 32, {}),
        (MODEL, {'execution': 'staged'}),
        (MODEL, {'tensorrt_fp16': False}),
    ],
)
def test_another_model_form_or_precision_has_engines_of_its_own(
    built: Path, sha256: str, options: dict[str, bool | str]
) -> None:
    other = cache(built, sha256, **options)
    assert other.use(build) == 'built'
    assert other.built
    assert cache(built).use(build) == 'loaded'


@pytest.mark.parametrize('text', ['', 'an eng', '\0' * 9], ids=['empty', 'cut off', 'zeros'])
def test_engines_that_tensorrt_refuses_are_built_again(built: Path, text: str) -> None:
    again = cache(built)
    (engine,) = again.engines()
    engine.write_text(text)
    assert again.use(build) == 'built'
    assert (again.built, again.engines(), again.note) == (True, [engine], '')
    assert list(engine.parent.iterdir()) == [engine]


def test_refused_engines_of_somebody_else_are_left_alone(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: str) -> Path:
        raise PermissionError(13, 'Permission denied', str(path))

    again = cache(built)
    again.engines()[0].write_text('an eng')
    monkeypatch.setattr(Path, 'rename', refuse)
    assert again.use(build) == 'built'
    assert 'cannot be replaced' in again.note


def test_engines_are_kept_where_building_fails_as_well(built: Path) -> None:
    with pytest.raises(RuntimeError, match='out of memory'):
        cache(built).use(fail)
    assert cache(built).use(build) == 'loaded'


def test_a_model_that_is_wrong_is_not_the_engines_fault(built: Path) -> None:
    started: list[Path | None] = []

    def start(path: Path | None) -> str:
        started.append(path)
        raise EevitError('no model of ours')

    with pytest.raises(EevitError, match='no model of ours'):
        cache(built).use(start)
    assert len(started) == 1


def test_without_a_folder_to_write_to_it_goes_on_without(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.write_text('')
    without = cache(file)
    assert without.use(build) == 'built'
    assert f'{file}/tensorrt cannot be written' in without.note
    assert without.engines() == []


def test_engines_that_were_not_written_are_told(tmp_path: Path) -> None:
    full = cache(tmp_path)
    assert full.use(lambda path: 'built') == 'built'  # ONNX Runtime says nothing of a full disk
    assert 'has no engines after building them' in full.note
