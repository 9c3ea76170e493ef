"""A model file is what it was when it was looked through, or it is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model import check
from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.model.onnx_file import is_self_contained
from harness.tiny_model import write_tiny_model


def replace(path: Path) -> None:
    other = path.with_suffix('.new')
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize('execution', ['single', 'staged'])
@pytest.mark.parametrize('change', [replace, Path.unlink])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    execution: str,
) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    made = ort.InferenceSession

    def slow_session(*arguments: Any, **options: Any) -> ort.InferenceSession:
        if path.exists():
            change(path)
        return made(*arguments, **options)

    monkeypatch.setattr(ort, 'InferenceSession', slow_session)
    with pytest.raises(EevitError, match='tiny.onnx: the file changed while it was read'):
        Engine(path, compute=Compute(provider='cpu', execution=execution))


def test_a_file_that_is_written_over_while_it_is_looked_through_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')

    def slow_look(data: bytes) -> bool:
        path.write_bytes(b'')
        return is_self_contained(data)

    monkeypatch.setattr(check, 'is_self_contained', slow_look)
    with pytest.raises(EevitError, match='tiny.onnx: the file changed while it was read'):
        Engine(path, compute=Compute(provider='cpu'))


def test_whoever_writes_over_it_waits_until_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    made = ort.InferenceSession
    waited: list[int] = []

    def session_beside_a_writer(*arguments: Any, **options: Any) -> ort.InferenceSession:
        with pytest.raises(BlockingIOError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        waited.append(1)
        return made(*arguments, **options)

    monkeypatch.setattr(ort, 'InferenceSession', session_beside_a_writer)
    assert Engine(path, compute=Compute(provider='cpu')).metadata.name == 'tiny'
    assert waited
    path.write_bytes(b'')  # at once, as nobody reads it any more


def test_a_writer_that_cannot_be_kept_waiting_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    made = ort.InferenceSession
    with path.open('r+b') as writer:  # it has opened the file before

        def session_beside_a_writer(*arguments: Any, **options: Any) -> ort.InferenceSession:
            os.pwrite(writer.fileno(), os.pread(writer.fileno(), 1, 0), 0)
            return made(*arguments, **options)

        monkeypatch.setattr(ort, 'InferenceSession', session_beside_a_writer)
        with pytest.raises(EevitError, match='tiny.onnx: the file changed while it was read'):
            Engine(path, compute=Compute(provider='cpu'))


@pytest.mark.parametrize('execution', ['single', 'staged'])
def test_a_name_that_is_no_text_is_opened(tmp_path: Path, execution: str) -> None:
    path = write_tiny_model(tmp_path / 'tiny.onnx')
    odd = path.rename(tmp_path / os.fsdecode(b'\xff.onnx'))
    engine = Engine(odd, compute=Compute(provider='cpu', execution=execution))
    assert engine.metadata.name == 'tiny'
