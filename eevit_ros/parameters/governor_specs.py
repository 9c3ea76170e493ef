"""Which parameters the governor has: default, meaning, range or choices of each. Without ROS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.parameters.topics import OTHER_LIMIT
from eevit_ros.speed.limit import LOWEST_PERCENT, LimitSettings
from eevit_ros.speed.rate import LOWEST_FLOOR

UNITS = ('percentage', 'mps')
COMMANDS = ('none', 'twist', 'twist_stamped')

_LIMIT = LimitSettings()

SPECS: dict[str, Spec] = {
    'publish_hz': Spec(
        10.0,
        'How often the limit is published, Hz; a falling limit is also published at once.',
        5.0,
        100.0,
    ),
    'floor': Spec(
        _LIMIT.floor,
        "Limit after any fault, share of full speed; never 0, which Nav2 reads as 'no limit'. "
        "Lower rates are raised to it; a zone may be lower. Set it and the classifier's rate.floor "
        'together.',
        LOWEST_FLOOR,
        1.0,
    ),
    'stale_after_s': Spec(
        _LIMIT.stale_after_s,
        'Without an adaptive rate for this long, seconds, the limit drops to the floor. The '
        'classifier sends at least 10 a second.',
        0.05,
        10.0,
    ),
    'fresh_messages': Spec(
        _LIMIT.fresh_messages,
        'Good messages in a row that end a fault; until then the limit stays at the floor.',
        1,
        1000,
    ),
    'recover_per_s': Spec(
        _LIMIT.recover_per_s,
        'Fastest rise of the limit after a fault, share of full speed per second.',
        0.001,
        100.0,
    ),
    'unit': Spec(
        'percentage',
        "Unit of speed_limit: percent of the controller's full speed, or m/s.",
        choices=UNITS,
    ),
    'max_speed_mps': Spec(
        _LIMIT.max_speed_mps,
        "Full speed of the robot, m/s; needed for every limit in m/s, a zone's too. 0: unknown.",
        0.0,
        1000.0,
    ),
    'limit_sources': Spec(
        [OTHER_LIMIT.name],
        'Topics of other speed limits (nav2_msgs/SpeedLimit), such as zones; the lowest counts. '
        'Remap the other publisher to one of these: on speed_limit itself the last writer wins. '
        'Empty: none.',
    ),
    'initial_zone_limit': Spec(
        _LIMIT.initial_zone_limit,
        'Limit of each source until its first message, percent. A filter publishes only when its '
        'limit changes, so a governor restarted inside a zone does not know it: lower this if '
        'zones must hold through a restart.',
        LOWEST_PERCENT,
        100.0,
    ),
    'command': Spec(
        'none',
        'Type of the velocity commands that are scaled from cmd_vel_in to cmd_vel_out, for robots '
        'without Nav2.',
        choices=COMMANDS,
    ),
    'command_timeout_s': Spec(
        0.5,
        'Without a command for this long, seconds, zero velocity is sent until the next one.',
        0.05,
        10.0,
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
