"""Declares parameters on a node with the description and range of their `Spec`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from eevit_ros.errors import EevitError
from eevit_ros.settings import Spec, from_values, specs

T = TypeVar('T')

QOS = 'qos_overrides.'  # rclpy declares them with the subscription


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


def declare(
    node: Node, name: str, spec: Spec, *, read_only: bool = False, optional: bool = False
) -> Any:
    """Declare a parameter and return its value; a whole number may stand for a float.

    Args:
        node: Gets the parameter.
        name: Name of the parameter.
        spec: What it may be.
        read_only: Whether it never changes.
        optional: Whether it has no value unless one is given.

    Raises:
        EevitError: A given value has the wrong type or is out of range; names the parameter.
    """
    # `ros2 param dump` writes null for what has no value, and ROS reads that as a text.
    if optional and name in _given(node) and _given(node)[name].value == 'null':
        del _given(node)[name]
    if name in _given(node):
        _given(node)[name] = _as_declared(_given(node)[name], spec)
    try:
        about = descriptor(spec, read_only=read_only)
        about.dynamic_typing |= optional
        return node.declare_parameter(name, None if optional else spec.default, about).value
    except Exception as err:
        # rclpy's exceptions for a wrong type and a wrong value share no base class.
        raise EevitError(f"parameter '{name}': {err}") from err


def take_whole_numbers(node: Node, known: Mapping[str, Spec]) -> None:
    """Let a whole number stand for a float in later changes, too; Humble's rclpy cannot."""
    add = getattr(node, 'add_pre_set_parameters_callback', None)
    if add is not None:
        add(lambda changed: [_as_declared(one, known.get(one.name)) for one in changed])


def warn_of_unknown(node: Node, why: Callable[[str], str] = lambda name: '') -> None:
    """Log the given parameters that the node does not have; call this after its declarations.

    Args:
        node: Whose they are.
        why: Returns why a name is unknown, '' to have the nearest name told.
    """
    known = [name for name in node.get_parameters_by_prefix('') if not name.startswith(QOS)]
    for name in sorted(_given(node)):
        if not node.has_parameter(name) and not name.startswith(QOS):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f": did you mean '{near[0]}'?" if near else ''
            hint = f': {reason}' if (reason := why(name)) else hint
            node.get_logger().warning(f"parameter '{name}' is unknown and ignored{hint}")


def read_settings(node: Node, settings: type[T]) -> T:
    """Declare the parameters of a settings class, which are read once, and return the settings.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    values = {
        name: declare(node, name, spec, read_only=True) for name, spec in specs(settings).items()
    }
    warn_of_unknown(node)
    return from_values(settings, values)


def _given(node: Node) -> dict[str, Parameter]:
    """Return what command line and parameter files give; rclpy has no public way to all of it."""
    given: dict[str, Parameter] = getattr(node, '_parameter_overrides', {})
    return given


def _as_declared(given: Parameter, spec: Spec | None) -> Parameter:
    default = None if spec is None else spec.default
    if isinstance(default, float) and given.type_ == Parameter.Type.INTEGER:
        return Parameter(given.name, value=float(given.value))
    floats = isinstance(default, list) and bool(default) and isinstance(default[0], float)
    if floats and given.type_ == Parameter.Type.INTEGER_ARRAY:
        return Parameter(given.name, value=[float(one) for one in given.value])
    return given
