"""What an engine of TensorRT depends on: the GPU's name and TensorRT's version.

Neither needs a Python package of NVIDIA's, which a robot may lack. Both are 'unknown' where they
cannot be told; then TensorRT itself still refuses engines that are not its own.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

UNKNOWN = 'unknown'
JETSON = 'proc/device-tree/model'  # of any board; a Jetson's names the module, thus the GPU
DRIVER = 'proc/driver/nvidia/gpus'
PROVIDER = 'libonnxruntime_providers_tensorrt.so'


def device_name(root: Path = Path('/')) -> str:
    """Name the GPU, or all of them where there are several, without asking CUDA.

    Args:
        root: Where /proc lies.
    """
    found = set()
    for path in (root / DRIVER).glob('*/information'):
        found |= set(re.findall(r'^Model:\s*(.+?)\s*$', _text(path), re.MULTILINE))
    board = _text(root / JETSON).strip('\0 \n')
    return ' + '.join(sorted(found)) or board or UNKNOWN


def tensorrt_version(capi: Path) -> str:
    """Ask the TensorRT library that ONNX Runtime's provider is linked with, such as '10.3.0'.

    Args:
        capi: The folder of ONNX Runtime's libraries.
    """
    try:
        names = re.findall(rb'libnvinfer\.so\.\d+', (capi / PROVIDER).read_bytes())
        number = ctypes.CDLL(names[0].decode()).getInferLibVersion()
    except (OSError, IndexError, AttributeError):
        return UNKNOWN
    return dotted(number)


def dotted(number: int) -> str:
    """Write TensorRT's version number with dots: 100300 is 10.3.0, and before 10 8601 is 8.6.1."""
    major, rest = divmod(number, 10_000 if number >= 100_000 else 1000)
    return f'{major}.{rest // 100}.{rest % 100}'


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
