"""The folder of TensorRT's engines: built once, found again, and never believed when unsound.

What writes and reads engines stands in for TensorRT; the folder, its manifest and locks are real.
"""

from __future__ import annotations

import contextlib
import json
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.tensorrt_cache import EngineCache

FACTS = {'model': 'ab' * 32, 'tensorrt': '10.3.0', 'device': 'NVIDIA Jetson AGX Orin'}
PLENTY_S = 60


def build(folder: Path | None) -> str:
    """Stand in for TensorRT: load the engine that is there, or build one."""
    if folder is None:
        return 'built'
    engine = folder / 'graph1.engine'
    if engine.exists():
        if engine.read_text() != 'an engine':
            raise RuntimeError('could not deserialize engine from cache')
        return 'loaded'
    engine.write_text('an engine')
    (folder / 'sm87.timing').write_text('times')
    return 'built'


def cache(root: Path, facts: dict[str, str] = FACTS) -> EngineCache:
    return EngineCache(root, facts, lambda text: None)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder with sound engines."""
    made = cache(tmp_path)
    assert made.use(build) == 'built'
    assert (made.complete, made.note) == (False, '')
    return made.folder


def assert_built_again(folder: Path, complaint: str, facts: dict[str, str] = FACTS) -> None:
    """The engines are set aside with a reason, and the next time all is well."""
    again = cache(folder.parent, facts)
    assert again.use(build) == 'built'
    assert not again.complete
    assert complaint in again.note
    aside = folder.with_name(f'{folder.name}.set_aside')
    assert str(aside) in again.note
    assert any(aside.iterdir())
    well = cache(folder.parent, facts)
    assert well.use(build) == 'loaded'
    assert (well.complete, well.note) == (True, '')


def test_engines_are_built_once_and_found_again(built: Path) -> None:
    again = cache(built.parent)
    assert again.use(build) == 'loaded'
    assert (again.folder, again.complete, again.note) == (built, True, '')
    assert again.size() == len('an engine') + len('times')


@pytest.mark.parametrize('fact', FACTS)
def test_another_model_machine_or_version_has_a_folder_of_its_own(built: Path, fact: str) -> None:
    other = cache(built.parent, {**FACTS, fact: 'cd'})
    assert other.folder != built
    assert other.use(build) == 'built'


def test_a_folder_copied_from_another_machine_is_set_aside(built: Path) -> None:
    here = {**FACTS, 'device': 'NVIDIA Jetson Orin Nano'}
    folder = cache(built.parent, here).folder
    built.rename(folder)
    assert_built_again(folder, "'device': 'NVIDIA Jetson AGX Orin'", here)


@pytest.mark.parametrize(
    ('spoil', 'complaint'),
    [
        (lambda file: file.unlink(), 'was not finished'),
        (lambda file: file.write_bytes(file.read_bytes()[:-20]), 'manifest.json cannot be read'),
        (lambda file: file.write_bytes(b''), 'manifest.json cannot be read'),
        (lambda file: file.write_bytes(b'\xff\xfe\x00'), 'manifest.json cannot be read'),
        (lambda file: file.write_text('[1, 2]'), 'manifest.json cannot be read'),
        (lambda file: file.write_text('[' * 200_000), 'manifest.json cannot be read'),
        (lambda file: file.write_text('{"facts": {}, "files": 7}'), 'manifest.json cannot be read'),
        (lambda file: file.write_text('{"facts": 7, "files": {}}'), 'they were built for 7'),
        (lambda file: (file.unlink(), file.mkdir()), 'manifest.json cannot be read'),
    ],
)
def test_a_manifest_that_is_none_is_set_aside(
    built: Path, spoil: Callable[[Path], object], complaint: str
) -> None:
    spoil(built / 'manifest.json')
    assert_built_again(built, complaint)


@pytest.mark.parametrize(
    'spoil',
    [
        lambda file: file.unlink(),
        lambda file: file.write_text('an eng'),
        lambda file: file.write_bytes(bytes(file.stat().st_size)),  # as a power cut leaves it
    ],
    ids=['gone', 'truncated', 'zeros'],
)
def test_an_engine_that_is_not_as_it_was_is_set_aside(
    built: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(built / 'graph1.engine')
    assert_built_again(built, "'graph1.engine' has changed")


def test_a_manifest_that_names_other_files_reads_none_of_them(built: Path) -> None:
    path = built / 'manifest.json'
    manifest = json.loads(path.read_text())
    manifest['files']['../../secret'] = {'bytes': 1, 'sha256': ''}
    path.write_text(json.dumps(manifest))
    assert_built_again(built, "'../../secret' has changed")


def test_engines_that_tensorrt_does_not_take_are_built_again(built: Path) -> None:
    refused: list[str] = []

    def start(folder: Path | None) -> str:
        if not refused:
            refused.append('once')
            raise RuntimeError('could not deserialize engine')
        return build(folder)

    again = cache(built.parent)
    assert again.use(start) == 'built'
    assert 'TensorRT does not accept them: could not deserialize engine' in again.note


def test_engines_are_kept_where_building_fails_as_well(built: Path) -> None:
    def start(folder: Path | None) -> str:
        raise RuntimeError('out of memory')

    with pytest.raises(RuntimeError, match='out of memory'):
        cache(built.parent).use(start)
    again = cache(built.parent)
    assert again.use(build) == 'loaded'
    assert again.complete


def test_half_built_engines_are_not_believed(tmp_path: Path) -> None:
    def start(folder: Path | None) -> str:
        assert folder is not None
        (folder / 'graph1.engine').write_text('an en')
        raise RuntimeError('out of memory')

    unfinished = cache(tmp_path)
    with pytest.raises(RuntimeError, match='out of memory'):
        unfinished.use(start)
    assert_built_again(unfinished.folder, 'was not finished')


def test_of_many_that_were_set_aside_one_is_kept(built: Path) -> None:
    for _ in range(3):
        (built / 'manifest.json').write_text('')
        cache(built.parent).use(build)
    names = [path.name for path in built.parent.iterdir()]
    assert sorted(names) == [built.name, f'{built.name}.lock', f'{built.name}.set_aside']


def test_a_model_that_is_wrong_is_not_the_engines_fault(built: Path) -> None:
    def start(folder: Path | None) -> str:
        raise EevitError('no model of ours')

    again = cache(built.parent)
    with pytest.raises(EevitError, match='no model of ours'):
        again.use(start)
    assert again.complete


def test_without_a_folder_to_write_to_it_goes_on_without(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.write_text('')
    without = cache(file / 'tensorrt')
    assert without.use(build) == 'built'
    assert not without.complete
    assert 'cannot be written' in without.note
    assert str(file) in without.note
    assert without.size() == 0


def test_two_processes_do_not_build_the_same(tmp_path: Path) -> None:
    building, waiting = threading.Event(), threading.Event()
    found: list[str] = []

    def slowly(folder: Path | None) -> str:
        building.set()
        assert waiting.wait(PLENTY_S)
        return build(folder)

    first = threading.Thread(target=lambda: found.append(cache(tmp_path).use(slowly)))
    first.start()
    assert building.wait(PLENTY_S)

    def log(text: str) -> None:
        if 'another process' in text:
            waiting.set()

    found.append(EngineCache(tmp_path, FACTS, log).use(build))
    first.join(PLENTY_S)
    assert sorted(found) == ['built', 'loaded']


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: the next write fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def build_as_far_as_it_goes(folder: Path | None) -> str:
    """As TensorRT's provider, which does not mind that an engine could not be written."""
    with contextlib.suppress(OSError):
        return build(folder)
    return 'built'


@pytest.mark.parametrize('size', [4, 50], ids=['within an engine', 'within the manifest'])
def test_a_disk_that_runs_full_is_told_and_the_half_is_never_believed(
    tmp_path: Path, size: int
) -> None:
    full = cache(tmp_path)
    with room_for(size):
        assert full.use(build_as_far_as_it_goes) == 'built'
    assert f'{full.folder} cannot be written' in full.note
    assert_built_again(full.folder, 'was not finished')
