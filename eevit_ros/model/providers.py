"""Opening a model where it computes fastest: TensorRT, else CUDA, else the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import grey
from eevit_ros.model.check import ModelFile
from eevit_ros.model.compute import AUTO, MEMORY, Compute, Log
from eevit_ros.model.ort_session import (
    available_providers,
    import_onnxruntime,
    load_gpu_libraries,
    open_session,
)
from eevit_ros.model.runners import Runner, SingleRunner, StagedRunner
from eevit_ros.model.stages import cut_stages
from eevit_ros.model.tensorrt_cache import EngineCache

if TYPE_CHECKING:
    import onnxruntime as ort

MAX_REASON = 600  # characters of an exception's text; CUDA's run to pages


class OpenedModel(NamedTuple):
    """A checked model that has run once.

    Attributes:
        runner: Runs it.
        provider: Its provider, a key of `compute.PROVIDERS`.
        note: Faster providers that are installed but failed, and why; '' if there are none.
        cache: TensorRT's engines; None on other providers.
    """

    runner: Runner
    provider: str
    note: str
    cache: EngineCache | None


def providers_to_try(compute: Compute) -> list[str]:
    """Return keys of `compute.PROVIDERS`, best first.

    Raises:
        EevitError: ONNX Runtime is not installed, or lacks the provider that was asked for.
    """
    found = available_providers()
    if compute.provider == AUTO:
        return found
    if compute.provider not in found:
        raise EevitError(
            f'provider {compute.provider!r} is not in this ONNX Runtime, which has {found}; '
            'install the onnxruntime build made for it, or use provider auto'
        )
    return [compute.provider]


def open_model(file: ModelFile, compute: Compute, names: Sequence[str], log: Log) -> OpenedModel:
    """Open a model file, check it and run it once at full depth.

    Args:
        file: The file.
        compute: How to compute it.
        names: Providers to try, keys of `compute.PROVIDERS`, best first.
        log: Told what takes long.

    Raises:
        EevitError: No provider works, the model is not one of ours or cannot be cut into stages, or
            the file changes meanwhile.
    """
    failures: list[str] = []
    for name in names:
        try:
            runner, cache = _open_on(name, file, compute, log)
        except EevitError:  # the model is to blame, whatever the provider
            raise
        except Exception as err:  # ONNX Runtime's exceptions have no common base class
            failures.append(f'on {name}: {in_one_line(err)}')
        else:
            return OpenedModel(runner, name, '; '.join(failures), cache)
    if 'cpu' not in names:
        raise EevitError(f'the model does not run {"; ".join(failures)}')
    raise EevitError(
        'the file is truncated, no ONNX model, or made for another ONNX Runtime than '
        f'{import_onnxruntime().__version__}; it says {"; ".join(failures)}'
    )


def in_one_line(err: Exception) -> str:
    """Return an exception's text without line breaks, cut if it is long."""
    text = ' '.join(str(err).split())
    return text if len(text) <= MAX_REASON else f'{text[:MAX_REASON]}...'


def _open_on(
    name: str, file: ModelFile, compute: Compute, log: Log
) -> tuple[Runner, EngineCache | None]:
    compute = replace(compute, provider=name)
    if name != 'cpu':
        load_gpu_libraries()
    if name != 'tensorrt':
        return _start(file, compute, None, log), None
    cache = EngineCache(file.sha256, compute, log)
    return cache.use(lambda engines: _start(file, compute, engines, log)), cache


def _start(file: ModelFile, compute: Compute, engines: Path | None, log: Log) -> Runner:
    """Load a model and run it: some providers load well and fail at their first computation."""
    on_cpu, on_tensorrt = compute.provider == 'cpu', compute.provider == 'tensorrt'
    loaded, total = 0, 1
    # A GPU gets the whole file: where weights lie elsewhere is untried there, and TensorRT would
    # name its engines after a path.
    outline = file.outline if on_cpu else b''
    weights = file.path.parent if outline else None

    def make_session(graph: bytes | str) -> ort.InferenceSession:
        nonlocal loaded
        loaded += 1
        if on_tensorrt:
            log(f'TensorRT: graph {loaded} of {total}')
        return open_session(graph, compute, engines and Path(f'{engines}_graph{loaded}'), weights)

    runner: Runner
    with file.held() if on_cpu else contextlib.nullcontext():
        if compute.staged:
            model = outline or file.read()
            total = len(cut_stages(model).stages) if on_tensorrt else 1
            runner = StagedRunner(model, make_session, MEMORY.get(compute.provider, 'cpu'))
        else:
            whole = str(file.path) if on_cpu and file.utf8 else b''
            runner = SingleRunner(outline or whole or file.read(), make_session)
        meta = runner.metadata
        image = grey(meta.input_height, meta.input_width)
        probabilities, _ = runner.run(image, (1.0,) * len(meta.exit_layers))
    if not np.isfinite(probabilities).all():  # such as an overflow in half precision
        raise RuntimeError(f'it answers a grey picture with {probabilities.ravel()[:3]}')
    return runner
