"""The governor's parameters, checked, as settings; all are read at start. Without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from eevit_ros.errors import EevitError
from eevit_ros.parameters.topics import OTHER_LIMIT
from eevit_ros.settings import group, parameter, specs
from eevit_ros.speed.limit import LimitSettings

UNITS = ('percentage', 'mps')
COMMANDS = ('none', 'twist', 'twist_stamped')


def _names(parameter_name: str, what: str, values: list[object]) -> tuple[str, ...]:
    names = [value for value in values if isinstance(value, str)]
    if names != values:
        raise EevitError(f"parameter '{parameter_name}' must be a list of {what}. Got {values!r}")
    if len(set(names)) < len(names):
        raise EevitError(f"parameter '{parameter_name}' names one twice. Got {values!r}")
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
    rate_sources: tuple[str, ...] = parameter(
        [],
        'Topics of the adaptive rates of several classifiers (std_msgs/Float32); the lowest '
        'counts, and one that is silent is the floor. Empty: adaptive_rate alone.',
        convert=partial(_names, 'rate_sources', 'topics'),
    )
    limit: LimitSettings = group(LimitSettings)
    controllers: tuple[str, ...] = parameter(
        ['controller_server'],
        'Names of the nodes, without namespace, that obey the limit: after a start it stays at the '
        'floor until one of them has received it, and everybody else who is subscribed by then. '
        'Empty: none is known.',
        convert=partial(_names, 'controllers', 'nodes'),
    )
    floor_hold_s: float = parameter(
        5.0,
        'After a start the limit stays at the floor for this long, seconds, unless one of '
        '`controllers` has received it sooner: an echo or a recorder may be found first, and the '
        'controller seconds later.',
        0.0,
        600.0,
    )
    pair: tuple[str, ...] = parameter(
        [],
        'Names of two governors, both started with this value: one speaks, the other is its warm '
        'standby, silent until it must take over. If both are silent, the first speaks. Empty: one '
        'alone.',
        convert=partial(_names, 'pair', 'nodes'),
    )
    takeover_after_s: float = parameter(
        0.3,
        'The other of a `pair` is taken for dead or hung after so long without a sign, seconds. It '
        'gives one every 0.05 s.',
        0.1,
        10.0,
    )
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
        convert=partial(_names, 'limit_sources', 'topics'),
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
        """Refuse a unit that needs the full speed without it, and a pair that is none."""
        if len(self.pair) not in (0, 2):
            raise EevitError(
                f"parameter 'pair' must name two nodes, or be empty. Got {list(self.pair)!r}"
            )
        if self.unit == 'mps' and self.limit.max_speed_mps <= 0:
            raise EevitError(
                "parameter 'unit' is mps, which needs 'max_speed_mps' above 0. "
                f'Got {self.limit.max_speed_mps!r}'
            )


SPECS = specs(GovernorSettings)
