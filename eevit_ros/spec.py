"""One ROS parameter: what it means, which values it takes, how it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from eevit_ros.errors import EevitError


@dataclass(frozen=True)
class Spec:
    """One parameter: its default, what it means, and the values it takes.

    Attributes:
        any_type: Whether values of several ROS types are taken: one number, a list of numbers and
            an empty list are three.
    """

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    any_type: bool = False

    def descriptor(self, *, read_only: bool = False) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows, with the range that rclpy enforces."""
        note = '' if self.live else ' Fixed while configured.'
        found = ParameterDescriptor(
            description=self.description + (' Read at start.' if read_only else note),
            additional_constraints=self.rule(),
            dynamic_typing=self.any_type,
            read_only=read_only,
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

    def rule(self) -> str:
        """Return which choices there are, '' where everything in range is one."""
        several = 'one or more of' if isinstance(self.default, list) else 'one of'
        return f'{several} {", ".join(self.choices)}' if self.choices else ''

    def check(self, name: str, value: object) -> None:
        """Check a value against the choices; rclpy enforces type and range.

        Raises:
            EevitError: It is none of them; names the parameter.
        """
        chosen: Any = value if isinstance(value, (list, tuple)) else [value]
        if self.choices and not (chosen and all(one in self.choices for one in chosen)):
            raise EevitError(f"parameter '{name}' must be {self.rule()}. Got {value!r}")

    def declare(self, node: Node, name: str, *, read_only: bool = False) -> Any:
        """Declare the parameter and return its value.

        Raises:
            EevitError: A given value has the wrong type or is out of range; names the parameter.
        """
        descriptor = self.descriptor(read_only=read_only)
        try:
            return node.declare_parameter(name, self.default, descriptor).value
        except Exception as err:
            # rclpy's exceptions for a wrong type and a wrong value share no base class.
            raise EevitError(f"parameter '{name}': {err}") from err
