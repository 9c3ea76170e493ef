"""Early-exit Vision Transformers on robots: what runs beside the camera.

The names below are the public API; docs/python.md shows them at work. They load on first use, so
that `import eevit_ros` brings in neither OpenCV nor ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eevit_ros.errors import EevitError
    from eevit_ros.images.compressed import decode_photo
    from eevit_ros.images.raw import decode_image
    from eevit_ros.model.compute import Compute
    from eevit_ros.model.engine import Engine, ExitResult
    from eevit_ros.perception.perception import Perception, PerceptionSettings
    from eevit_ros.speed.rate import RateInput, RateLaw, RateSettings

__all__ = [
    'Compute',
    'EevitError',
    'Engine',
    'ExitResult',
    'Perception',
    'PerceptionSettings',
    'RateInput',
    'RateLaw',
    'RateSettings',
    'decode_image',
    'decode_photo',
]

_HOMES = {
    'Compute': 'model.compute',
    'EevitError': 'errors',
    'Engine': 'model.engine',
    'ExitResult': 'model.engine',
    'Perception': 'perception.perception',
    'PerceptionSettings': 'perception.perception',
    'RateInput': 'speed.rate',
    'RateLaw': 'speed.rate',
    'RateSettings': 'speed.rate',
    'decode_image': 'images.raw',
    'decode_photo': 'images.compressed',
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
