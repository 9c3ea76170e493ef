"""The classifier's parameters, checked, as the settings they make. Without ROS."""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Say, check_cache_dir
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier_specs import SPECS
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.perception.shift import ShiftSettings
from eevit_ros.speed.rate import RateSettings

DEMO_MODEL = Path('models', 'eevit_s14_cifar100.onnx')


@dataclass(frozen=True)
class Settings:
    """The parameters, checked.

    `thresholds` is empty for the model's own, `cache_dir` None for the default.
    """

    model: Path
    model_sha256: str
    image_transport: str
    thresholds: tuple[float, ...]
    top_k: int
    provider: str
    threads: int
    spin: bool
    tensorrt_fp16: bool
    cache_dir: Path | None
    execution: str
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
        rate = _group(values, 'rate.')
        rate['mappings'] = tuple(rate['mappings'])
        made: dict[str, Any] = {
            'model': Path(values['model']).expanduser() if values['model'] else demo_model(),
            'thresholds': _thresholds(values['thresholds']),
            'cache_dir': check_cache_dir(values['cache_dir']),
            'perception': PerceptionSettings(
                RateSettings(**rate),
                ShiftSettings(**_group(values, 'shift.')),
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
        check_cache_dir(str(value))
    if name == 'model_sha256' and not re.fullmatch('[0-9a-fA-F]{64}|', str(value)):
        raise EevitError(
            "parameter 'model_sha256' must be 64 hexadecimal digits, as sha256sum prints them, or "
            f'empty. Got {value!r:.100}'
        )


def open_engine(settings: Settings, say: Say = lambda text: None) -> Engine:
    """Return the engine that the settings ask for; `say` as `Engine` does.

    Raises:
        EevitError: The model or a setting is wrong.
    """
    return Engine(
        settings.model,
        sha256=settings.model_sha256,
        provider=settings.provider,
        thresholds=settings.thresholds or None,
        threads=settings.threads,
        execution=settings.execution,
        exit_policy=settings.exit_policy,
        budget_ms=settings.budget_ms,
        spin=settings.spin,
        tensorrt_fp16=settings.tensorrt_fp16,
        cache_dir=settings.cache_dir,
        say=say,
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


def _group(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}


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
