"""The governor's parameters on its node, and the checked settings they make. All are read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.validate_full_topic_name import validate_full_topic_name

from eevit_ros.errors import EevitError
from eevit_ros.nodes.declare import declare
from eevit_ros.parameters.governor_specs import SPECS, check
from eevit_ros.speed.limit import LimitSettings


@dataclass(frozen=True)
class GovernorSettings:
    """The parameters, checked."""

    publish_hz: float
    unit: str
    limit_sources: tuple[str, ...]
    command: str
    command_timeout_s: float
    limit: LimitSettings

    @classmethod
    def of(cls, node: Node) -> GovernorSettings:
        """Declare the parameters and read them.

        Raises:
            EevitError: A value is wrong; names the parameter.
        """
        return cls.from_values(
            {name: declare(node, name, spec, read_only=True) for name, spec in SPECS.items()}
        )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> GovernorSettings:
        """Check what ranges cannot.

        Args:
            values: By parameter name, all of `SPECS`.

        Raises:
            EevitError: A value is wrong; names the parameter.
        """
        check(values)
        return cls(
            publish_hz=values['publish_hz'],
            unit=values['unit'],
            limit_sources=_topics(values['limit_sources']),
            command=values['command'],
            command_timeout_s=values['command_timeout_s'],
            limit=LimitSettings(**{f.name: values[f.name] for f in fields(LimitSettings)}),
        )


def _topics(value: Sequence[str] | None) -> tuple[str, ...]:
    """Return the topics, whose names ROS must take."""
    topics = tuple(value or ())
    for topic in topics:
        try:
            validate_full_topic_name(expand_topic_name(topic, 'node', '/'))
        except (NameValidationException, ValueError) as err:
            raise EevitError(
                f"parameter 'limit_sources' must be a list of topics. Got {topic!r}: {err}"
            ) from err
    return topics
