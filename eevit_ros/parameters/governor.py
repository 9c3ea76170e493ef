"""The governor's parameters, checked, as settings; all are read at start. Without ROS."""

from __future__ import annotations

from dataclasses import dataclass

from eevit_ros.errors import EevitError
from eevit_ros.parameters.topics import OTHER_LIMIT
from eevit_ros.settings import group, parameter, specs
from eevit_ros.speed.limit import LimitSettings

UNITS = ('percentage', 'mps')
COMMANDS = ('none', 'twist', 'twist_stamped')


def _topics(topics: list[object]) -> tuple[str, ...]:
    names = [topic for topic in topics if isinstance(topic, str)]
    if names != topics:
        raise EevitError(f"parameter 'limit_sources' must be a list of topics. Got {topics!r}")
    if len(set(names)) < len(names):
        raise EevitError(f"parameter 'limit_sources' names a topic twice. Got {topics!r}")
    return tuple(names)


@dataclass(frozen=True)
class GovernorSettings:
    """The parameters of the governor.

    Attributes:
        limit: How the limit is guarded.
    """

    publish_hz: float = parameter(
        10.0,
        'How often the limit is published, Hz; a falling limit is also published at once.',
        5.0,
        100.0,
    )
    limit: LimitSettings = group(LimitSettings)
    unit: str = parameter(
        'percentage',
        "Unit of speed_limit: percent of the controller's full speed, or m/s.",
        choices=UNITS,
    )
    limit_sources: tuple[str, ...] = parameter(
        [OTHER_LIMIT.name],
        'Topics of other speed limits (nav2_msgs/SpeedLimit), such as zones; the lowest counts. '
        'Remap the other publisher to one of these: on speed_limit itself the last writer wins. '
        'Empty: none.',
        convert=_topics,
    )
    command: str = parameter(
        'none',
        'Type of the velocity commands that are scaled from cmd_vel_in to cmd_vel_out, for robots '
        'without Nav2.',
        choices=COMMANDS,
    )
    command_timeout_s: float = parameter(
        0.5,
        'Without a command for this long, seconds, zero velocity is sent until the next one.',
        0.05,
        10.0,
    )

    def __post_init__(self) -> None:
        """Refuse a unit that needs the full speed without it."""
        if self.unit == 'mps' and self.limit.max_speed_mps <= 0:
            raise EevitError(
                "parameter 'unit' is mps, which needs 'max_speed_mps' above 0. "
                f'Got {self.limit.max_speed_mps!r}'
            )


SPECS = specs(GovernorSettings)
