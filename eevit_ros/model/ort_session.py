"""Making a session of ONNX Runtime, with the options that a provider needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import PROVIDERS

if TYPE_CHECKING:
    import onnxruntime as ort

Options = Mapping[str, Any]


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime: a robot chooses its build, so no package requires one.

    Raises:
        EevitError: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as err:
        raise EevitError(
            'ONNX Runtime cannot be imported: pip install onnxruntime (or onnxruntime-gpu; on a '
            f"Jetson NVIDIA's wheel), see docs/robot.md. Python says: {err}"
        ) from err
    module: ModuleType = onnxruntime
    return module


def tensorrt_options(folder: Path | None, *, fp16: bool, prefix: str) -> dict[str, Any]:
    """Return the options of TensorRT's provider. Python's bindings want bool for switches.

    Args:
        folder: Where engines and timings are kept; None keeps none.
        fp16: Whether half precision is allowed. Layer normalisation stays in fp32: its squares are
            what overflows in a transformer.
        prefix: What the engines of this graph are called, as graphs of one model share the folder.
    """
    options: dict[str, Any] = {'trt_fp16_enable': fp16, 'trt_layer_norm_fp32_fallback': fp16}
    if folder is not None:
        options |= {
            'trt_engine_cache_enable': True,
            'trt_engine_cache_path': str(folder),
            'trt_engine_cache_prefix': prefix,
            'trt_timing_cache_enable': True,
            'trt_timing_cache_path': str(folder),
        }
    return options


def open_session(
    model: bytes,
    order: Sequence[str],
    threads: int,
    *,
    spin: bool = True,
    options: Options | None = None,
) -> ort.InferenceSession:
    """Make a session on the first of `order`, ONNX Runtime's names; what it cannot do goes on.

    Args:
        model: An ONNX file's bytes.
        order: The providers.
        threads: CPU threads for one run; 0 lets ONNX Runtime choose.
        spin: Whether threads wait for each other by spinning. Every session has threads of its
            own, and those of one stage would keep the cores from the next: there they must sleep.
        options: Of the first of `order`.

    Raises:
        RuntimeError: The provider did not start; ONNX Runtime raises others as well.
    """
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    # Planned memory lets one tensor overwrite another: seen with `If` in ONNX Runtime 1.18, and
    # open for LayerNormalization in fp16 (microsoft/onnxruntime issue 27768).
    settings.enable_mem_pattern = False
    if spin:  # but not from one frame to the next
        settings.add_session_config_entry('session.force_spinning_stop', '1')
    else:
        settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
    settings.log_severity_level = 3  # errors; its warnings are about graph details
    first = (order[0], dict(options)) if options else order[0]
    session = ort.InferenceSession(
        model, settings, providers=[first, *order[1:]], enable_fallback=0
    )
    # Older versions know no enable_fallback, and missing libraries of a provider are only logged:
    # ONNX Runtime goes on without it.
    if order[0] not in session.get_providers():
        raise RuntimeError(f'ONNX Runtime fell back to {session.get_providers()}; see its log')
    session.disable_fallback()  # a failing run is an error to report, not a silent loss of speed
    # For that fallback alone, ONNX Runtime's Python class keeps the file's bytes while it lives.
    session._model_bytes = None
    return session


def ranked(available: Sequence[str]) -> list[str]:
    """Return the keys of `PROVIDERS` that ONNX Runtime has, best first."""
    return [name for name, full in PROVIDERS.items() if full in available]
