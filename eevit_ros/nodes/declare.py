"""Declares parameters on a node with the description and range of their `Spec`."""

from __future__ import annotations

from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from eevit_ros.errors import EevitError
from eevit_ros.settings import Spec, from_values, specs

T = TypeVar('T')


def descriptor(spec: Spec, *, read_only: bool = False) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows and the range that rclpy enforces."""
    note = '' if spec.live else ' Fixed while configured.'
    found = ParameterDescriptor(
        description=spec.description + (' Read at start.' if read_only else note),
        additional_constraints=spec.rule(),
        # An empty list does not tell ROS of what.
        dynamic_typing=spec.any_type or spec.default == [],
        read_only=read_only,
    )
    if spec.low is None or spec.high is None:
        return found
    if isinstance(spec.default, int):
        found.integer_range = [IntegerRange(from_value=int(spec.low), to_value=int(spec.high))]
    else:
        found.floating_point_range = [
            FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))
        ]
    return found


def declare(node: Node, name: str, spec: Spec, *, read_only: bool = False) -> Any:
    """Declare a parameter and return its value.

    Raises:
        EevitError: A given value has the wrong type or is out of range; names the parameter.
    """
    try:
        return node.declare_parameter(
            name, spec.default, descriptor(spec, read_only=read_only)
        ).value
    except Exception as err:
        # rclpy's exceptions for a wrong type and a wrong value share no base class.
        raise EevitError(f"parameter '{name}': {err}") from err


def read_settings(node: Node, settings: type[T]) -> T:
    """Declare the parameters of a settings class, which are read once, and return the settings.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    values = {
        name: declare(node, name, spec, read_only=True) for name, spec in specs(settings).items()
    }
    return from_values(settings, values)
