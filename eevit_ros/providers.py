"""Opening a model where it computes fastest: TensorRT, else CUDA, else the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.model_check import check_model
from eevit_ros.model_file import ModelMetadata

if TYPE_CHECKING:
    import onnxruntime as ort

# In order of preference; what one cannot compute goes to those after it.
PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}


class OpenedModel(NamedTuple):
    """A checked model that has run once.

    Attributes:
        session: The ONNX Runtime session.
        metadata: What the model says of itself.
        provider: Where it runs, a key of `PROVIDERS`.
        note: Which faster providers are installed but did not work, and why; '' if none.
    """

    session: ort.InferenceSession
    metadata: ModelMetadata
    provider: str
    note: str


def open_model(model: bytes, *, provider: str = 'auto', threads: int = 0) -> OpenedModel:
    """Open a model file's bytes, check it and run it once at full depth.

    Args:
        model: The file, whole.
        provider: 'auto' for the first that works, or the key of `PROVIDERS` to insist on.
        threads: CPU threads for one run; 0 lets ONNX Runtime choose.

    Raises:
        EevitError: ONNX Runtime is not installed, the provider is unknown, not installed or does
            not work, the thread count is negative, or the model cannot be loaded or is not one of
            ours.
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
            session = open_session(model, order, threads)
            metadata = check_model(session)
            run_once(session, metadata)
        except EevitError:  # the model is to blame, whatever the provider
            raise
        except Exception as err:  # ONNX Runtime's exceptions share no base class of their own
            failures.append(f'on {name}: {err}')
        else:
            return OpenedModel(session, metadata, name, '; '.join(failures))
    raise EevitError(
        'the file is truncated, no ONNX model, or made for another ONNX Runtime than '
        f'{ort.__version__}; it says {"; ".join(failures)}'
    )


def open_session(model: bytes, order: list[str], threads: int) -> ort.InferenceSession:
    """Make a session on the first of `order`, ONNX Runtime's names; what it cannot do goes on."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Planned memory lets one tensor overwrite another: seen with `If` in ONNX Runtime 1.18, and
    # open for LayerNormalization in fp16 (microsoft/onnxruntime issue 27768).
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors; its warnings are about graph details
    session = ort.InferenceSession(model, options, providers=order)
    # Missing libraries of a provider are only logged: ONNX Runtime goes on without it.
    if order[0] not in session.get_providers():
        raise RuntimeError(f'ONNX Runtime fell back to {session.get_providers()}; see its log')
    session.disable_fallback()  # a failing run is an error to report, not a silent loss of speed
    return session


def run_once(session: ort.InferenceSession, metadata: ModelMetadata) -> None:
    """Run at full depth: some providers start well and fail at their first computation."""
    image = np.zeros((1, metadata.input_height, metadata.input_width, 3), np.uint8)
    session.run(
        None, {'image': image, 'thresholds': np.ones(len(metadata.exit_layers), np.float32)}
    )
