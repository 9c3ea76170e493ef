"""Opening a model where it computes fastest: TensorRT, else CUDA, else the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.runners import SINGLE, STAGED, Runner, SingleRunner, StagedRunner

if TYPE_CHECKING:
    import onnxruntime as ort

# In order of preference; what one cannot compute goes to those after it.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
EXECUTIONS = ('auto', SINGLE, STAGED)


class OpenedModel(NamedTuple):
    """A checked model that has run once.

    Attributes:
        runner: What runs it.
        provider: Where it runs, a key of `PROVIDERS`.
        note: Which faster providers are installed but did not work, and why; '' if none.
    """

    runner: Runner
    provider: str
    note: str


def open_model(
    model: bytes, *, provider: str = 'auto', threads: int = 0, execution: str = 'auto'
) -> OpenedModel:
    """Open a model file's bytes, check it and run it once at full depth.

    Args:
        model: The file, whole.
        provider: 'auto' for the first that works, or the key of `PROVIDERS` to insist on.
        threads: CPU threads for one run; 0 lets ONNX Runtime choose.
        execution: 'single' or 'staged'; 'auto' is single, as one graph costs no more and loads
            sooner on the CPU, and the staged form has not run on a GPU yet.

    Raises:
        EevitError: ONNX Runtime is not installed, the provider is unknown, not installed or does
            not work, the thread count is negative, or the model cannot be loaded, is not one of
            ours or cannot be cut into stages.
    """
    try:
        import onnxruntime as ort  # here, where its absence becomes an error like any other
    except ImportError as err:
        raise EevitError(
            'ONNX Runtime cannot be imported: pip install onnxruntime (or onnxruntime-gpu; on a '
            f"Jetson NVIDIA's wheel), see README.md. Python says: {err}"
        ) from err
    if threads < 0:
        raise EevitError(f'threads must be 0 (automatic) or more. Got {threads}')
    if provider not in ('auto', *PROVIDERS):
        raise EevitError(f'provider must be auto or one of {tuple(PROVIDERS)}. Got {provider!r}')
    if execution not in EXECUTIONS:
        raise EevitError(f'execution must be one of {EXECUTIONS}. Got {execution!r}')
    available = ort.get_available_providers()
    installed = [name for name, full in PROVIDERS.items() if full in available]
    if provider != 'auto' and provider not in installed:
        raise EevitError(
            f'provider {provider!r} is not in this ONNX Runtime, which has {installed}; install '
            'the onnxruntime build made for it, or use provider auto'
        )
    failures: list[str] = []
    for name in installed if provider == 'auto' else [provider]:
        order = [PROVIDERS[other] for other in installed[installed.index(name) :]]
        try:
            runner = _open_runner(model, name, order, threads, execution)
            meta = runner.metadata
            image = np.zeros((meta.input_height, meta.input_width, 3), np.uint8)
            # Some providers start well and fail at their first computation.
            runner.answer(image, (1.0,) * len(meta.exit_layers))
        except EevitError:  # the model is to blame, whatever the provider
            raise
        except Exception as err:  # ONNX Runtime's exceptions share no base class of their own
            failures.append(f'on {name}: {err}')
        else:
            return OpenedModel(runner, name, '; '.join(failures))
    raise EevitError(
        'the file is truncated, no ONNX model, or made for another ONNX Runtime than '
        f'{ort.__version__}; it says {"; ".join(failures)}'
    )


def _open_runner(
    model: bytes, provider: str, order: list[str], threads: int, execution: str
) -> Runner:
    staged = execution == STAGED

    def make_session(graph: bytes) -> ort.InferenceSession:
        return open_session(graph, order, threads, spin=not staged)

    if not staged:
        return SingleRunner(model, make_session)
    return StagedRunner(model, make_session, 'cpu' if provider == 'cpu' else 'cuda')


def open_session(
    model: bytes, order: list[str], threads: int, *, spin: bool = True
) -> ort.InferenceSession:
    """Make a session on the first of `order`, ONNX Runtime's names; what it cannot do goes on.

    Every session has threads of its own, which spin for a while when they are done. Those of one
    stage would keep the cores from the next: `spin` lets them sleep instead.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Planned memory lets one tensor overwrite another: seen with `If` in ONNX Runtime 1.18, and
    # open for LayerNormalization in fp16 (microsoft/onnxruntime issue 27768).
    options.enable_mem_pattern = False
    if not spin:
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.log_severity_level = 3  # errors; its warnings are about graph details
    session = ort.InferenceSession(model, options, providers=order)
    # Missing libraries of a provider are only logged: ONNX Runtime goes on without it.
    if order[0] not in session.get_providers():
        raise RuntimeError(f'ONNX Runtime fell back to {session.get_providers()}; see its log')
    session.disable_fallback()  # a failing run is an error to report, not a silent loss of speed
    return session
