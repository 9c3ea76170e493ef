"""TensorRT's engines on disk: built once, in minutes, and loaded at the next start.

ONNX Runtime writes and reads them. It names them after its own version, TensorRT's, the GPU's
architecture, the precision and the names in a graph, but not after weights: a retrained model would
get the old model's engines (microsoft/onnxruntime issue 6455). Hence a prefix with the model's
hash. TensorRT refuses an engine that is cut off or from another version; then it is built again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import SINGLE, STAGED, Compute, Log

T = TypeVar('T')


class EngineCache:
    """One model's engines, in one form and precision.

    Attributes:
        path: Folder and first part of the names of all files, even if there are none.
        built: Whether an engine had to be built.
        note: Problems with the folder, for a warning; '' if there are none.
    """

    def __init__(self, sha256: str, compute: Compute, log: Log) -> None:
        """Name the files; nothing on disk is touched yet.

        Args:
            sha256: SHA-256 of the model file (hexadecimal).
            compute: How to compute it.
            log: Told what takes long.
        """
        form = STAGED if compute.staged else SINGLE
        precision = 'fp16' if compute.tensorrt_fp16 else 'fp32'
        name = f'{sha256[:16]}_{form}_{precision}'
        self.path = compute.engine_folder / name
        self.built = False
        self.note = ''
        self._log = log

    def engines(self) -> list[Path]:
        """Return the engines that are there."""
        return sorted(self.path.parent.glob(f'{self.path.name}_*.engine'))

    def use(self, start: Callable[[Path | None], T]) -> T:
        """Call `start` with `path`, or with None if nothing can be written; return its result.

        If `start` fails with engines that were there, it is called again without them; if that
        fails too, they were not to blame and stay.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            self._complain(f'{folder} cannot be written ({err})')
            return start(None)
        before = self.engines()
        if before:
            self._log(f'{len(before)} engines of this model found in {folder}')
        else:
            self._log(
                f'no engines of this model in {folder} yet: building them takes minutes, once'
            )
        started, why = self._try(start, before)
        if started is None:
            # Outside the handler, whose exception would keep loaded engines alive.
            self._log(f'TensorRT does not accept these engines, and builds them again: {why}')
            started = self._without(before, start)
        after = self.engines()
        if not after:  # ONNX Runtime does not mind that it could not write
            self._complain(f'{folder} has no engines after building them')
        self.built = bool(why) or after != before
        if self.built:
            os.sync()  # a robot may be switched off right after `prepare`
        return started

    def _try(self, start: Callable[[Path | None], T], before: list[Path]) -> tuple[T | None, str]:
        try:
            return start(self.path), ''
        except EevitError:  # the model is to blame
            raise
        except Exception as err:  # ONNX Runtime's exceptions have no common base class
            if not before:
                raise
            return None, str(err)

    def _without(self, before: list[Path], start: Callable[[Path | None], T]) -> T:
        try:
            aside = [path.rename(f'{path}.refused') for path in before]
        except OSError as err:  # somebody else's folder, or another process did it just now
            self._complain(f'{err.filename} cannot be replaced ({err})')
            return start(None)
        try:
            started = start(self.path)
        except Exception:
            for path, kept in zip(before, aside, strict=True):
                kept.rename(path)
            raise
        for path in aside:
            path.unlink()
        return started

    def _complain(self, text: str) -> None:
        self.note = (
            f'cache_dir: {text}, so TensorRT builds engines at every start: set another folder, or '
            'make room'
        )
        self._log(self.note)
