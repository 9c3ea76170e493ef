"""The classifier's parameters on its node: declaring and reading them."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter

from eevit_ros.errors import EevitError
from eevit_ros.nodes import declare as declaring
from eevit_ros.parameters.classifier_specs import SPECS


def declare(node: Node) -> None:
    """Declare all parameters.

    Raises:
        EevitError: A given value has the wrong type or is out of range; names the parameter.
    """
    for name, spec in SPECS.items():
        value = declaring.declare(node, name, spec)
        # An empty list has no element to tell its type by: ROS tools would call it not set.
        if name == 'thresholds' and value in (None, []):
            node.set_parameters([Parameter(name, Parameter.Type.DOUBLE_ARRAY, [])])
        elif value is None:
            raise EevitError(f"parameter '{name}' must not be empty. Got nothing or an empty list")


def read(node: Node) -> dict[str, Any]:
    """Return the declared parameters' values by name."""
    return {name: node.get_parameter(name).value for name in SPECS}
