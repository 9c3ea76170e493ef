"""Opening a model where it computes fastest: TensorRT, else CUDA, else the CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import grey
from eevit_ros.model.compute import MEMORY, PROVIDERS, Compute, Say, default_cache_dir
from eevit_ros.model.cores import spare_one
from eevit_ros.model.gpu import device_name, tensorrt_version
from eevit_ros.model.ort_session import import_onnxruntime, open_session, ranked, tensorrt_options
from eevit_ros.model.runners import SINGLE, STAGED, Runner, SingleRunner, StagedRunner
from eevit_ros.model.stages import cut_stages
from eevit_ros.model.tensorrt_cache import EngineCache

if TYPE_CHECKING:
    import onnxruntime as ort

LONGEST = 600  # characters of a provider's complaint; CUDA's run to pages


class OpenedModel(NamedTuple):
    """A checked model that has run once.

    Attributes:
        runner: What runs it.
        provider: Where it runs, a key of `PROVIDERS`.
        note: Which faster providers are installed but did not work, and why; '' if none.
        cache: TensorRT's engines; None on other providers.
    """

    runner: Runner
    provider: str
    note: str
    cache: EngineCache | None


def installed(how: Compute) -> list[str]:
    """Return the providers to try, keys of `PROVIDERS`, best first.

    Raises:
        EevitError: ONNX Runtime is not installed, or lacks the one that is insisted on.
    """
    found = ranked(import_onnxruntime().get_available_providers())
    if how.provider == 'auto':
        return found
    if how.provider not in found:
        raise EevitError(
            f'provider {how.provider!r} is not in this ONNX Runtime, which has {found}; install '
            'the onnxruntime build made for it, or use provider auto'
        )
    return [how.provider]


def open_model(model: bytes, how: Compute, names: Sequence[str], say: Say) -> OpenedModel:
    """Open a model file's bytes, check it and run it once at full depth.

    Args:
        model: The file, whole.
        how: How to compute it.
        names: The providers to try, keys of `PROVIDERS`, best first.
        say: Told what takes long.

    Raises:
        EevitError: No provider works, or the model is not one of ours or cannot be cut into stages.
    """
    failures: list[str] = []
    for name in names:
        try:
            runner, cache = _open_on(name, model, how, say)
        except EevitError:  # the model is to blame, whatever the provider
            raise
        except Exception as err:  # ONNX Runtime's exceptions share no base class of their own
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
    """Return what an exception says, without line breaks and not too long."""
    text = ' '.join(str(err).split())
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}...'


def _open_on(name: str, model: bytes, how: Compute, say: Say) -> tuple[Runner, EngineCache | None]:
    if name != 'tensorrt':
        return _start(name, model, how, None, say), None
    cache = EngineCache(
        (how.cache_dir or default_cache_dir()) / 'tensorrt', _facts(model, how), say
    )
    return cache.use(lambda folder: _start(name, model, how, folder, say)), cache


def _start(name: str, model: bytes, how: Compute, folder: Path | None, say: Say) -> Runner:
    """Load a model and run it, as some providers start well and fail at their first computation."""
    runner = _load(name, model, how, folder, say)
    meta = runner.metadata
    image = grey(meta.input_height, meta.input_width)
    probabilities, _ = runner.answer(image, (1.0,) * len(meta.exit_layers))
    if not np.isfinite(probabilities).all():  # such as an overflow in half precision
        raise RuntimeError(f'it answers a grey picture with {probabilities.ravel()[:3]}')
    return runner


def _load(name: str, model: bytes, how: Compute, folder: Path | None, say: Say) -> Runner:
    known = ranked(import_onnxruntime().get_available_providers())
    order = [PROVIDERS[other] for other in known[known.index(name) :]]
    staged = how.execution == STAGED
    # Threads of a stage sleep: see `open_session`.
    spin, threads = how.spin and not staged, how.threads or spare_one()
    total = len(cut_stages(model).stages) if staged and name == 'tensorrt' else 1
    loaded = 0

    def make_session(graph: bytes) -> ort.InferenceSession:
        nonlocal loaded
        loaded += 1
        options = None
        if name == 'tensorrt':
            say(f'TensorRT: graph {loaded} of {total}')
            options = tensorrt_options(folder, fp16=how.tensorrt_fp16, prefix=f'graph{loaded}')
        return open_session(graph, order, threads, spin=spin, options=options)

    if not staged:
        return SingleRunner(model, make_session)
    return StagedRunner(model, make_session, MEMORY.get(name, 'cpu'))


def _facts(model: bytes, how: Compute) -> dict[str, str]:
    """Name all that an engine of TensorRT depends on."""
    ort = import_onnxruntime()
    return {
        'model': hashlib.sha256(model).hexdigest(),
        'form': STAGED if how.execution == STAGED else SINGLE,
        'precision': 'fp16' if how.tensorrt_fp16 else 'fp32',
        'onnxruntime': ort.__version__,
        'tensorrt': tensorrt_version(Path(str(ort.__file__)).parent / 'capi'),
        'device': device_name(),
    }
