"""Which parameters the governor has: default, meaning, range or choices of each. Without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.speed.limit import LOWEST_PERCENT, LimitSettings
from eevit_ros.speed.rate import LOWEST_FLOOR

UNITS = ('percentage', 'mps')
COMMANDS = ('none', 'twist', 'twist_stamped')

_LIMIT = LimitSettings()

SPECS: dict[str, Spec] = {
    'publish_hz': Spec(10.0, 'How often the limit is published, Hz.', 5.0, 100.0),
    'floor': Spec(_LIMIT.floor, 'Limit after any fault, share of full speed.', LOWEST_FLOOR, 1.0),
    'stale_after_s': Spec(
        _LIMIT.stale_after_s,
        'Without an adaptive rate for this long, seconds, the limit is the floor.',
        0.05,
        10.0,
    ),
    'fresh_messages': Spec(
        _LIMIT.fresh_messages, 'Good messages in a row that end a fault.', 1, 1000
    ),
    'recover_per_s': Spec(
        _LIMIT.recover_per_s,
        'Steepest rise after a fault, share of full speed per second.',
        0.001,
        100.0,
    ),
    'unit': Spec(
        'percentage', 'What speed_limit holds: percent of full speed, or m/s.', choices=UNITS
    ),
    'max_speed_mps': Spec(
        _LIMIT.max_speed_mps,
        'Full speed of the robot, m/s; needed for limits in m/s. 0: unknown.',
        0.0,
        1000.0,
    ),
    'limit_sources': Spec(
        ['filter_speed_limit'],
        'Topics of other speed limits (nav2_msgs/SpeedLimit), such as zones; the lowest counts.',
    ),
    'initial_zone_limit': Spec(
        _LIMIT.initial_zone_limit,
        'Limit of each of them until its first message, percent.',
        LOWEST_PERCENT,
        100.0,
    ),
    'command': Spec(
        'none',
        'Type of the velocity commands to scale from cmd_vel_in to cmd_vel_out.',
        choices=COMMANDS,
    ),
    'command_timeout_s': Spec(
        0.5, 'Without a command for this long, seconds, zero velocity goes out.', 0.05, 10.0
    ),
}


def check(values: Mapping[str, Any]) -> None:
    """Check what types and ranges cannot.

    Args:
        values: By parameter name, all of `SPECS`. An empty list of topics may be None: ROS cannot
            tell its type.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    for name, spec in SPECS.items():
        spec.check(name, values[name])
    if values['unit'] == 'mps' and values['max_speed_mps'] <= 0:
        raise EevitError(
            "parameter 'unit' is mps, which needs 'max_speed_mps' above 0. "
            f'Got {values["max_speed_mps"]!r}'
        )
    topics = [] if values['limit_sources'] is None else values['limit_sources']
    if not isinstance(topics, (list, tuple)) or not all(isinstance(topic, str) for topic in topics):
        raise EevitError(f"parameter 'limit_sources' must be a list of topics. Got {topics!r}")
    if len(set(topics)) < len(topics):
        raise EevitError(f"parameter 'limit_sources' names a topic twice. Got {topics!r}")
