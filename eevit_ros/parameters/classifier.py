"""The classifier's parameters, checked, as the settings they make. Without ROS."""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute, Log
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier_specs import SPECS
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.perception.shift import ShiftSettings
from eevit_ros.speed.rate import RateSettings

T = TypeVar('T')

DEMO_MODEL = Path('models', 'eevit_s14_cifar100.onnx')


@dataclass(frozen=True)
class Settings:
    """The parameters, checked.

    `thresholds` is empty for the model's own.
    """

    model: Path
    model_sha256: str
    image_transport: str
    thresholds: tuple[float, ...]
    top_k: int
    compute: Compute
    exit_policy: str
    budget_ms: float
    class_ids: str
    frozen_after_frames: int
    perception: PerceptionSettings

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Settings:
        """Check what ranges cannot.

        Args:
            values: By parameter name, all of `SPECS`.

        Raises:
            EevitError: A value is wrong; names the parameter.
        """
        for name in SPECS:
            check_value(name, values[name])
        made: dict[str, Any] = {
            'model': Path(values['model']).expanduser() if values['model'] else demo_model(),
            'thresholds': _thresholds(values['thresholds']),
            'compute': _group(Compute, values),
            'perception': PerceptionSettings(
                _group(RateSettings, values, 'rate.'),
                _group(ShiftSettings, values, 'shift.'),
                values['blind_below_contrast'],
            ),
        }
        as_they_are = {f.name: values[f.name] for f in fields(cls) if f.name not in made}
        return cls(**made, **as_they_are)

    def ids_of(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return what `class_id` holds by class index: the names, or the indices as text."""
        if self.class_ids == 'name':
            return tuple(class_names)
        return tuple(str(index) for index in range(len(class_names)))


def check_value(name: str, value: object) -> None:
    """Check one value beyond its type and range, which rclpy enforces.

    Raises:
        EevitError: It is wrong; names the parameter.
    """
    SPECS[name].check(name, value)
    if name == 'thresholds':
        _thresholds(value)
    if name == 'cache_dir':
        Compute(cache_dir=str(value))
    if name == 'model_sha256' and not re.fullmatch('[0-9a-fA-F]{64}|', str(value)):
        raise EevitError(
            "parameter 'model_sha256' must be 64 hexadecimal digits, as sha256sum prints them, or "
            f'empty. Got {value!r:.100}'
        )


def open_engine(settings: Settings, log: Log = lambda text: None) -> Engine:
    """Return the engine that the settings ask for; `log` as in `Engine`.

    Raises:
        EevitError: The model or a setting is wrong.
    """
    return Engine(
        settings.model,
        compute=settings.compute,
        sha256=settings.model_sha256,
        thresholds=settings.thresholds or None,
        exit_policy=settings.exit_policy,
        budget_ms=settings.budget_ms,
        log=log,
    )


def demo_model() -> Path:
    """Where the demo model lies: in the installed package's share folder, or in the source tree."""
    try:
        from ament_index_python.packages import get_package_share_directory

        installed = Path(get_package_share_directory('eevit_ros')) / DEMO_MODEL
    except (ImportError, LookupError, OSError):  # no ROS, not found, or nowhere to search
        installed = Path(sys.prefix, 'share', 'eevit_ros') / DEMO_MODEL
    source = Path(__file__).resolve().parents[2] / DEMO_MODEL
    return source if source.exists() else installed


def _group(kind: type[T], values: Mapping[str, Any], prefix: str = '') -> T:
    """Build a dataclass whose fields are parameters, by name behind a prefix."""
    found = {field.name: values[prefix + field.name] for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in found.items()})


def _thresholds(value: object) -> tuple[float, ...]:
    if value is None:  # an empty list in YAML: it has no element to tell the type by
        return ()
    values: list[Any] = list(value) if isinstance(value, (list, tuple, array)) else [value]
    if not all(_is_share(v) for v in values):
        raise EevitError(
            "parameter 'thresholds' must be one number in [0, 1], or a list with one for each "
            f'exit. Got {value!r}'
        )
    return tuple(float(v) for v in values)


def _is_share(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )
