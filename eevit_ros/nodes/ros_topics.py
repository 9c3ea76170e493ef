"""ROS classes and QoS of the topics that `parameters.topics` holds as data."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from eevit_ros.errors import EevitError
from eevit_ros.parameters.topics import Topic


def message_class(type_name: str) -> Any:
    """Return the Python class of a type, 'package/msg/Name'.

    Raises:
        ImportError: The package is not installed.
        AttributeError: It has no such message.
    """
    package, _, name = type_name.partition('/msg/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def qos_profile(topic: Topic) -> QoSProfile:
    """Return a topic's QoS."""
    return QoSProfile(
        depth=topic.depth,
        reliability=ReliabilityPolicy.BEST_EFFORT
        if topic.best_effort
        else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def resolved(node: Node, parameter: str, names: Iterable[str]) -> list[str]:
    """Return the full names of topics that a parameter holds.

    Raises:
        EevitError: A name is no topic's; names the parameter.
    """
    found = []
    for name in names:
        try:
            found.append(node.resolve_topic_name(name))
        except rclpy_implementation.RCLError as err:
            raise EevitError(
                f"parameter '{parameter}' must be a list of topics. Got {name!r}: {err}"
            ) from err
    return found
