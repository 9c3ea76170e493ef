"""A folder of TensorRT engines: those of one model on one machine, which take minutes to build.

    <cache_dir>/tensorrt/<model, form, precision, versions, device>/    engines, timing cache
                                                       .../manifest.json

ONNX Runtime names an engine after the graph, not its weights, so a retrained model would get the
old model's engines. Hence a folder per model, with a manifest of all that its engines depend on and
of every file's hash: a truncated file, or one from another machine, is found before TensorRT reads
it. Engines that fail this check are set aside and built again.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import SINGLE, STAGED, Compute, Log
from eevit_ros.model.ort_session import import_onnxruntime

MANIFEST = 'manifest.json'
ASIDE = '.set_aside'
READ_AT_MOST = 1 << 20  # bytes of a manifest; real ones have a few thousand

UNKNOWN = 'unknown'
JETSON = 'proc/device-tree/model'  # names the board; on a Jetson the module, thus the GPU
DRIVER = 'proc/driver/nvidia/gpus'
PROVIDER_LIBRARY = 'libonnxruntime_providers_tensorrt.so'

T = TypeVar('T')


class EngineCache:
    """One model's folder of engines.

    Attributes:
        folder: The folder's path, even if it does not exist.
        complete: Whether all engines were there, so that none had to be built.
        note: Problems with the folder, for a warning; '' if there are none.
    """

    def __init__(self, root: Path, facts: Mapping[str, str], log: Log) -> None:
        """Name the folder; nothing on disk is touched yet.

        Args:
            root: The folder of all models.
            facts: All that engines depend on, by name; makes the folder's name.
            log: Told what takes long.
        """
        words = (
            f'{name}_{re.sub("[^A-Za-z0-9.]+", "_", text)[:40]}' for name, text in facts.items()
        )
        self.folder = root / '-'.join(words)
        self.complete = False
        self.note = ''
        self._facts = dict(facts)
        self._log = log

    def use(self, start: Callable[[Path | None], T]) -> T:
        """Call `start` with the folder, or with None if it cannot be written; return its result.

        If `start` fails with engines that were there, they are set aside and it is called again; if
        that fails too, the engines were not to blame and are put back.
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock = self.folder.with_name(self.folder.name + '.lock').open('w')
        except OSError as err:
            self._complain(
                f'cache_dir: {self.folder} cannot be written ({err}), so engines are built at '
                'every start: set another folder'
            )
            return start(None)
        with lock, self._alone(lock.fileno()):
            try:
                self._inspect()
            except OSError as err:
                self._complain(f'cache_dir: {self.folder} cannot be used ({err})')
                return start(None)
            started, why = self._try(start)
            if started is None:
                # Outside the handler, whose exception would keep loaded engines alive.
                aside = self._set_aside(f'TensorRT does not accept them: {why}')
                try:
                    started = start(self.folder)
                except Exception:
                    shutil.rmtree(self.folder)
                    aside.rename(self.folder)
                    raise
            self._seal()
        return started

    def size(self) -> int:
        """Return the engines' size, bytes."""
        return sum(path.stat().st_size for path in self._files())

    def _try(self, start: Callable[[Path | None], T]) -> tuple[T | None, str]:
        try:
            return start(self.folder), ''
        except EevitError:  # the model is to blame
            raise
        except Exception as err:  # ONNX Runtime's exceptions have no common base class
            if not self.complete:
                raise
            return None, str(err)

    @contextmanager
    def _alone(self, lock: int) -> Iterator[None]:
        """Lock out other processes that want these engines; a dead process holds no lock."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._log(f'another process is building engines in {self.folder}: waiting for it')
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # no locks on this file system; two builders at once are unlikely enough
            pass
        yield

    def _inspect(self) -> None:
        """Check the folder and set it aside if a check fails.

        Raises:
            OSError: The folder cannot be read or set aside.
        """
        self.folder.mkdir(exist_ok=True)
        if files := self._files():
            why = self._why_unsound()
            if why:
                self._set_aside(why)
            else:
                self.complete = True
                self._log(f'{len(files)} engine files found in {self.folder}')
        if not self.complete:
            self._log(f'no engines in {self.folder} yet: building them takes minutes, once')

    def _why_unsound(self) -> str:
        path = self.folder / MANIFEST
        try:
            with path.open('rb') as file:
                manifest: Any = json.loads(file.read(READ_AT_MOST))
            facts, files = manifest['facts'], manifest['files']
            listed = dict(files)
        except FileNotFoundError:
            return 'their build was not finished'
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as err:
            return f'{MANIFEST} cannot be read ({type(err).__name__}: {err})'
        if facts != self._facts:
            return f'they were built for {facts!r:.300}, not for {self._facts}'
        present = self._described()
        for name, description in listed.items():
            if present.get(name) != description:
                return f'{name!r:.100} has changed since it was written'
        return '' if listed else f'{MANIFEST} names no file'

    def _set_aside(self, why: str) -> Path:
        aside = self.folder.with_name(self.folder.name + ASIDE)
        shutil.rmtree(aside, ignore_errors=True)  # only the last bad ones are kept
        self.folder.rename(aside)
        self.folder.mkdir()
        self.complete = False
        self._complain(f'engines were set aside in {aside} and are built again: {why}')
        return aside

    def _seal(self) -> None:
        """Write the manifest atomically."""
        if self.complete:
            return
        temporary = self.folder / f'{MANIFEST}.new'
        try:
            manifest = {'facts': self._facts, 'files': self._described()}
            with temporary.open('w') as file:
                json.dump(manifest, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / MANIFEST)
        except OSError as err:
            self._complain(f'cache_dir: {self.folder} cannot be written ({err})')

    def _files(self) -> list[Path]:
        """Return the folder's files except the manifest."""
        own = (MANIFEST, f'{MANIFEST}.new')
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [path for path in found if path.name not in own and path.is_file()]

    def _described(self) -> dict[str, dict[str, Any]]:
        described = {}
        for path in self._files():
            with path.open('rb') as file:
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
            described[path.name] = {'bytes': path.stat().st_size, 'sha256': digest.hexdigest()}
        return described

    def _complain(self, text: str) -> None:
        self.note = f'{self.note}; {text}' if self.note else text
        self._log(text)


def engine_facts(model: bytes, compute: Compute) -> dict[str, str]:
    """Return all that a TensorRT engine depends on, by name.

    The GPU's name and TensorRT's version need no Python package of NVIDIA's, which a robot may
    lack. Either is 'unknown' if it cannot be found out; TensorRT itself still refuses engines that
    are not its own.
    """
    ort = import_onnxruntime()
    return {
        'model': hashlib.sha256(model).hexdigest(),
        'form': STAGED if compute.staged else SINGLE,
        'precision': 'fp16' if compute.tensorrt_fp16 else 'fp32',
        'onnxruntime': ort.__version__,
        'tensorrt': tensorrt_version(Path(str(ort.__file__)).parent / 'capi'),
        'device': device_name(),
    }


def device_name(root: Path = Path('/')) -> str:
    """Name the GPU, or all of them if there are several, without asking CUDA.

    Args:
        root: Folder that holds /proc.
    """
    found = set()
    for path in (root / DRIVER).glob('*/information'):
        found |= set(re.findall(r'^Model:\s*(.+?)\s*$', _text(path), re.MULTILINE))
    board = _text(root / JETSON).strip('\0 \n')
    return ' + '.join(sorted(found)) or board or UNKNOWN


def tensorrt_version(capi: Path) -> str:
    """Return the version of the TensorRT that ONNX Runtime's provider is linked with ('10.3.0').

    Args:
        capi: Folder of ONNX Runtime's libraries.
    """
    try:
        names = re.findall(rb'libnvinfer\.so\.\d+', (capi / PROVIDER_LIBRARY).read_bytes())
        number = ctypes.CDLL(names[0].decode()).getInferLibVersion()
    except (OSError, IndexError, AttributeError):
        return UNKNOWN
    return dotted(number)


def dotted(number: int) -> str:
    """Return TensorRT's version with dots: 100300 is 10.3.0, and before 10 8601 is 8.6.1."""
    major, rest = divmod(number, 10_000 if number >= 100_000 else 1000)
    return f'{major}.{rest // 100}.{rest % 100}'


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
