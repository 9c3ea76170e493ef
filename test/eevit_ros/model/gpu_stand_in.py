"""A computer with GPU providers, and how they fail, where there is none.

The border is ONNX Runtime's session: its CPU provider computes under the names of the others, and
a session fails or writes engines when a test says so. All else is real.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from eevit_ros.model.compute import PROVIDERS

OUT_OF_MEMORY = 'CUDA failure 2: out of memory'
CPU = PROVIDERS['cpu']
ENGINE = b'not really an engine'

Start = Callable[['Session'], None]


class Session(ort.InferenceSession):  # type: ignore[misc]  # it has no types
    """A session of the real ONNX Runtime.

    Attributes:
        dead: Whether every run fails.
        nonsense: Whether it answers NaN.
        options: The first provider's.
        alive_before: How many earlier sessions were still in memory when this one was made.
    """

    made: list[weakref.ref[Session]] = []
    starts: list[Start] = []

    def __init__(self, model: bytes, settings: Any, providers: Sequence[Any], **_: Any) -> None:
        gc.collect()
        self.alive_before = len(sessions())
        self.dead = self.nonsense = False
        self.settings = settings
        first = providers[0]
        self.options: dict[str, Any] = {} if isinstance(first, str) else first[1]
        for start in self.starts:
            start(self)
        super().__init__(model, settings, providers=[CPU])
        self.made.append(weakref.ref(self))

    def run(self, *args: Any) -> Any:
        self._fail()
        probabilities, exit_index = super().run(*args)
        return [probabilities * np.nan if self.nonsense else probabilities, exit_index]

    def run_with_iobinding(self, *args: Any) -> None:
        self._fail()
        super().run_with_iobinding(*args)

    def _fail(self) -> None:
        if self.dead:
            raise RuntimeError(OUT_OF_MEMORY)


def sessions() -> list[Session]:
    """Return the sessions that are in memory, oldest first."""
    return [one for one in (ref() for ref in Session.made) if one is not None]


def install(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Let ONNX Runtime have these providers, keys of `PROVIDERS`, beside the CPU."""
    for name in names:
        patch.setitem(PROVIDERS, name, CPU)
    patch.setattr(ort, 'InferenceSession', Session)
    patch.setattr(Session, 'made', [])
    patch.setattr(Session, 'starts', [])


def write_engine(session: Session) -> None:
    """Do as TensorRT's provider does at the start of a session: write what is not there yet."""
    if folder := session.options.get('trt_engine_cache_path'):
        path = Path(folder, f'{session.options["trt_engine_cache_prefix"]}_sm87.engine')
        if not path.exists():
            path.write_bytes(ENGINE)
        elif path.read_bytes() != ENGINE:
            raise RuntimeError(f'TensorRT EP could not deserialize engine from cache: {path}')
