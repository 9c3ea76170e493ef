"""ONNX Runtime sessions, with the options that each provider needs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import PROVIDERS, Compute

if TYPE_CHECKING:
    import onnxruntime as ort


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


def available_providers() -> list[str]:
    """Return the keys of `PROVIDERS` that this ONNX Runtime has, best first.

    Raises:
        EevitError: ONNX Runtime is not installed.
    """
    available = import_onnxruntime().get_available_providers()
    return [name for name, full in PROVIDERS.items() if full in available]


def finds_weights_in_files() -> bool:
    """Return whether this ONNX Runtime finds weights in files for a graph given as bytes."""
    version: str = import_onnxruntime().__version__
    return tuple(map(int, version.split('.')[:2])) >= (1, 22)  # 1.20 looks in the working directory


def load_gpu_libraries() -> None:
    """Load CUDA and cuDNN from pip's packages, where ONNX Runtime does not look by itself."""
    ort = import_onnxruntime()
    if hasattr(ort, 'preload_dlls'):  # since 1.21
        ort.preload_dlls()


def open_session(
    graph: bytes | str,
    compute: Compute,
    engines: Path | None = None,
    weights: Path | None = None,
) -> ort.InferenceSession:
    """Open a session on one provider; operators it lacks run on those after it.

    Args:
        graph: An ONNX file's bytes, or its path.
        compute: How to compute it; `provider` names one, not 'auto'.
        engines: As for `tensorrt_options`.
        weights: Folder of the file in which `graph` says that weights lie.

    Raises:
        RuntimeError: The provider did not start; ONNX Runtime raises others as well.
    """
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.intra_op_num_threads = compute.cpu_threads
    settings.inter_op_num_threads = 1
    # Planned memory lets one tensor overwrite another: seen with `If` in ONNX Runtime 1.18, and
    # open for LayerNormalization in fp16 (microsoft/onnxruntime issue 27768).
    settings.enable_mem_pattern = False
    # Every session has its own threads. Spinning ones of one stage would keep the cores from the
    # next stage, and nobody's should spin from one frame to the next.
    if compute.spin and not compute.staged:
        settings.add_session_config_entry('session.force_spinning_stop', '1')
    else:
        settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
    if weights is not None:
        key = 'session.model_external_initializers_file_folder_path'
        settings.add_session_config_entry(key, str(weights))
    settings.log_severity_level = 3  # errors; its warnings are about graph details
    names = available_providers()
    order: list[Any] = [PROVIDERS[name] for name in names[names.index(compute.provider) :]]
    wanted = order[0]
    if compute.provider == 'tensorrt':
        order[0] = (wanted, tensorrt_options(compute, engines))
    session = ort.InferenceSession(graph, settings, providers=order, enable_fallback=0)
    # No version raises if a provider's libraries are missing: it logs that and goes on without. And
    # 1.18 still ignores enable_fallback.
    if wanted not in session.get_providers():
        raise RuntimeError(f'ONNX Runtime fell back to {session.get_providers()}; see its log')
    session.disable_fallback()  # a failing run is an error to report, not a silent loss of speed
    # Only for that fallback, ONNX Runtime's Python class keeps the file's bytes while it lives.
    session._model_bytes = None
    return session


def tensorrt_options(compute: Compute, engines: Path | None) -> dict[str, Any]:
    """Return the options of TensorRT's provider. Python's bindings want bool for switches.

    Args:
        compute: How to compute; says whether half precision is allowed.
        engines: Folder for engines and timings, and first part of the engines' names; None keeps
            none.
    """
    # Layer normalisation stays in fp32 by itself, as files of ours have the operator for it.
    options: dict[str, Any] = {'trt_fp16_enable': compute.tensorrt_fp16}
    if engines is not None:
        options |= {
            'trt_engine_cache_enable': True,
            'trt_engine_cache_path': str(engines.parent),
            'trt_engine_cache_prefix': engines.name,
            # Timings belong to the GPU: stages and models share them, which saves most of a build.
            'trt_timing_cache_enable': True,
            'trt_timing_cache_path': str(engines.parent),
        }
    return options
