"""The governor's parameters, checked, as the settings they make. Without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from eevit_ros.parameters.governor_specs import check
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
            limit_sources=tuple(values['limit_sources'] or ()),
            command=values['command'],
            command_timeout_s=values['command_timeout_s'],
            limit=LimitSettings(**{f.name: values[f.name] for f in fields(LimitSettings)}),
        )
