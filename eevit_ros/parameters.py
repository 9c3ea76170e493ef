"""The node's parameters: what each means, its range, and the checked settings they make."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from eevit_ros.errors import EevitError
from eevit_ros.providers import PROVIDERS
from eevit_ros.rate import RateSettings

DEMO_MODEL = Path('models', 'eevit_s14_cifar100.onnx')
TRANSPORTS = ('raw', 'compressed')
CLASS_IDS = ('name', 'index')

_RATE = RateSettings()


@dataclass(frozen=True)
class Spec:
    """One parameter: its default, what it means, and the values it takes."""

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows, with the range that rclpy enforces."""
        found = ParameterDescriptor(
            description=self.description + ('' if self.live else ' Fixed while configured.'),
            additional_constraints=f'one of {", ".join(self.choices)}' if self.choices else '',
        )
        if self.low is None or self.high is None:
            return found
        if isinstance(self.default, int):
            found.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        else:
            found.floating_point_range = [
                FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
            ]
        return found


SPECS: dict[str, Spec] = {
    'model': Spec(
        '',
        "Path of the .onnx model file (~ is the home folder). Empty: the package's demo model.",
    ),
    'image_transport': Spec(
        'raw',
        'raw: sensor_msgs/Image on `image`. compressed: CompressedImage on `image`/compressed.',
        choices=TRANSPORTS,
    ),
    'thresholds': Spec(
        [],
        'Confidence above which an exit answers: one value for all exits or one for each, within '
        "[0, 1]. Empty: the model's own.",
        live=True,
    ),
    'top_k': Spec(5, 'Classes in ~/classification, best first.', 1, 1000),
    'provider': Spec(
        'auto',
        'Execution provider to insist on. auto: the best there is.',
        choices=('auto', *PROVIDERS),
    ),
    'threads': Spec(0, 'CPU threads of inference. 0: ONNX Runtime decides.', 0, 256),
    'class_ids': Spec('name', 'What class_id in ~/classification holds.', choices=CLASS_IDS),
    'autostart': Spec(True, 'Configure and activate at start; read once.'),
    'frozen_after_frames': Spec(
        10,
        'Repetitions in a row (same stamp or same bytes) that make the camera count as frozen. '
        'Raise it for a simulated camera without noise.',
        1,
        1_000_000,
    ),
    'rate.floor': Spec(_RATE.floor, 'Lowest adaptive rate.', 0.01, 1.0, live=True),
    'rate.easy_depth': Spec(
        _RATE.easy_depth,
        'Up to this exit depth (layer / layers) the rate is 1.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.attack_s': Spec(
        _RATE.attack_s, 'Time constant downwards, seconds. 0: at once.', 0.0, 10.0, live=True
    ),
    'rate.release_per_s': Spec(
        _RATE.release_per_s, 'Steepest rise of the rate, per second.', 0.001, 100.0, live=True
    ),
    'rate.easy_frames': Spec(
        _RATE.easy_frames,
        'Frames in a row above the present rate before it rises.',
        1,
        1000,
        live=True,
    ),
    'rate.min_confidence': Spec(
        _RATE.min_confidence,
        'Answers of the final classifier below this confidence send the rate to the floor.',
        0.0,
        1.0,
        live=True,
    ),
    'rate.stale_after_s': Spec(
        _RATE.stale_after_s,
        'Without an answer for this long, seconds, the rate is the floor.',
        0.05,
        10.0,
        live=True,
    ),
}


@dataclass(frozen=True)
class Settings:
    """The parameters, checked. `thresholds` is empty for the model's own."""

    model: Path
    image_transport: str
    thresholds: tuple[float, ...]
    top_k: int
    provider: str
    threads: int
    class_ids: str
    frozen_after_frames: int
    rate: RateSettings

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Settings:
        """Check what ranges cannot.

        Args:
            values: By parameter name, all of `SPECS`.

        Raises:
            EevitError: A value is wrong; names the parameter.
        """
        for name in SPECS:
            check(name, values[name])
        rate = {name[5:]: value for name, value in values.items() if name.startswith('rate.')}
        return cls(
            model=Path(values['model']).expanduser() if values['model'] else demo_model(),
            thresholds=_thresholds(values['thresholds']),
            rate=RateSettings(**rate),
            **{
                name: values[name]
                for name in ('image_transport', 'top_k', 'provider', 'threads', 'class_ids')
            },
            frozen_after_frames=values['frozen_after_frames'],
        )


def check(name: str, value: object) -> None:
    """Check one value beyond its type and range, which rclpy enforces.

    Raises:
        EevitError: It is wrong; names the parameter.
    """
    choices = SPECS[name].choices
    if choices and value not in choices:
        raise EevitError(f"parameter '{name}' must be one of {', '.join(choices)}. Got {value!r}")
    if name == 'thresholds':
        _thresholds(value)


def declare(node: Node) -> None:
    """Declare all parameters.

    Raises:
        EevitError: A given value has the wrong type or is out of range; names the parameter.
    """
    for name, spec in SPECS.items():
        descriptor = spec.descriptor()
        # One number, a list of numbers and an empty list are three ROS types.
        descriptor.dynamic_typing = name == 'thresholds'
        try:
            declared = node.declare_parameter(name, spec.default, descriptor)
        except Exception as err:
            # rclpy's exceptions for a wrong type and a wrong value share no base class.
            raise EevitError(f"parameter '{name}': {err}") from err
        if declared.value in (None, []):
            # An empty list has no element to tell its type by: ROS tools would call it not set.
            node.set_parameters([Parameter(name, Parameter.Type.DOUBLE_ARRAY, [])])


def read(node: Node) -> dict[str, Any]:
    """Return the declared parameters' values by name."""
    return {name: node.get_parameter(name).value for name in SPECS}


def demo_model() -> Path:
    """Where the demo model lies: in the installed package's share folder, or in the source tree."""
    try:
        installed = Path(get_package_share_directory('eevit_ros')) / DEMO_MODEL
    except (LookupError, OSError):  # not found, or no AMENT_PREFIX_PATH to search
        installed = Path(sys.prefix, 'share', 'eevit_ros') / DEMO_MODEL
    source = Path(__file__).resolve().parent.parent / DEMO_MODEL
    return source if source.exists() else installed


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
