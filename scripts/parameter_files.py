"""The nodes' parameters in docs/parameters.md and config/*.yaml, from their specs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

import yaml

from eevit_ros.parameters import cameras, classifier, governor
from eevit_ros.parameters.bags import PlayerSettings, RecorderSettings
from eevit_ros.reporting.table import markdown_table
from eevit_ros.settings import Spec, specs

PAGE = """\
# Parameters

Written by `python -m scripts.generate` from the code: change it there. `ros2 param describe NODE
NAME` says the same on the robot. With a wrong value a node does not start: exit code 2, the
parameter's name and what is allowed. While the node runs, a wrong value is refused.

## classifier

[config/classifier.yaml](../config/classifier.yaml) holds them all with comments. Those marked live
change while the node runs (`ros2 param set /classifier thresholds 0.9`); the others are fixed while
it is configured. It is a lifecycle node: with `autostart: false` in the file it waits for `ros2
lifecycle set /classifier configure`, then `activate`; another model is `deactivate`, `cleanup`,
`ros2 param set /classifier model FILE`, `configure` and `activate` away.

QoS of the camera's topic: `qos_overrides.<topic>.subscription.{{reliability,depth,history}}`, with
the resolved topic: `/camera/image_raw`, or `/camera/image_raw/compressed` with that transport.

{classifier}
### Several cameras

With `cameras: [front, left]` some may differ: `front.NAME` counts for that camera, and where it is
not given (`ros2 param get` says: not set), `NAME`. They are {cameras}.

And each camera has

{camera}
## speed_governor

[config/speed_governor.yaml](../config/speed_governor.yaml) holds them with comments; all are read
at start. `floor` and the classifier's `rate.floor` belong together: see
[navigation.md](navigation.md#the-floor).

{governor}
## bag_player

Read at start; see [recording.md](recording.md#without-rosbag2).

{player}
## bag_recorder

Read at start.

{recorder}"""

CLASSIFIER_YAML = """\
# Parameters of the classifier node, with their defaults. Those marked live change while it runs:
#   ros2 param set /classifier thresholds 0.9
# The others are fixed while the node is configured.
# Written by `python -m scripts.generate` from eevit_ros/parameters/.
/**:
  ros__parameters:
{parameters}
    # QoS of the image subscription, by the camera's full topic name (with image_transport
    # compressed: /camera/image_raw/compressed); read at activation.
    # qos_overrides:
    #   /camera/image_raw:
    #     subscription:
    #       reliability: best_effort
    #       depth: 5

    # What differs at one of several `cameras`; all else is as above (docs/robot.md).
    # front:
    #   image_rotation: 180
    #   weight: 2.0  # twice as many answers as a camera of weight 1, while not all can be answered
    #   rate:
    #     easy_depth: 0.6
"""

GOVERNOR_YAML = """\
# Parameters of the speed governor, with their defaults. All are read at start.
# Written by `python -m scripts.generate` from eevit_ros/parameters/.
/**:
  ros__parameters:
{parameters}"""

GROUPS = {
    'rate': 'The adaptive rate, from 1 down to the floor (docs/adaptive_rate.md).',
    'shift': "Whether the answers still look like the calibration's (docs/distribution_shift.md).",
}


def page() -> str:
    """Return docs/parameters.md."""
    return PAGE.format(
        classifier=table(classifier.SPECS, live=True),
        cameras=', '.join(f'`{name}`' for name in _common_to_cameras()),
        camera=table({'CAMERA.weight': cameras.CAMERA_SPECS['weight']}, live=True),
        governor=table(governor.SPECS),
        player=table(specs(PlayerSettings)),
        recorder=table(specs(RecorderSettings)),
    )


def _common_to_cameras() -> list[str]:
    """Return the parameters that a camera may have of its own; a group as 'rate.*'."""
    names = (name for name in cameras.CAMERA_SPECS if name in classifier.SPECS)
    groups = (
        f'{group}.*' if dot else name for name in names for group, dot, _ in [name.partition('.')]
    )
    return list(dict.fromkeys(groups))


def classifier_yaml() -> str:
    """Return config/classifier.yaml."""
    return CLASSIFIER_YAML.format(parameters=yaml_body(classifier.SPECS))


def governor_yaml() -> str:
    """Return config/speed_governor.yaml."""
    return GOVERNOR_YAML.format(parameters=yaml_body(governor.SPECS))


def table(specs: Mapping[str, Spec], *, live: bool = False) -> str:
    """Return a Markdown table, a row a parameter; with `live` it has that column."""
    columns = ['parameter', 'default', 'allowed', *(['live'] if live else []), '']
    rows = []
    for name, spec in specs.items():
        row = [f'`{name}`', f'`{as_yaml(spec.default)}`', allowed(spec, '`')]
        rows.append([*row, *(['yes' if spec.live else ''] if live else []), words(spec)])
    return markdown_table(columns, rows) + '\n'


def words(spec: Spec) -> str:
    """Return the description; documents become links, and ~ and $ do not mean Markdown's."""
    text = re.sub(r'\bdocs/(\w+\.md)', r'[\1](\1)', spec.description)
    return re.sub(r'[~$][\w./]*(?<!\.)', r'`\g<0>`', text)


def yaml_body(specs: Mapping[str, Spec]) -> str:
    """Return the parameters as YAML: the description above each, what it may be beside it."""
    lines: list[str] = []
    current = ''
    for name, spec in specs.items():
        group, _, short = name.rpartition('.')
        indent = ' ' * (6 if group else 4)
        if group != current:
            lines += ['', *comment(GROUPS[group], '    '), f'    {group}:']
            current = group
        notes = '; '.join(note for note in ('live' * spec.live, allowed(spec)) if note)
        lines += comment(spec.description, indent)
        lines.append(
            f'{indent}{short}: {as_yaml(spec.default)}' + (f'  # {notes}' if notes else '')
        )
    return '\n'.join(lines) + '\n'


def comment(text: str, indent: str) -> Iterator[str]:
    """Yield a text as lines of a YAML comment."""
    yield from textwrap.wrap(
        text, 100, initial_indent=f'{indent}# ', subsequent_indent=f'{indent}# ',
        break_on_hyphens=False,
    )  # fmt: skip


def as_yaml(value: object) -> str:
    """Return a value as YAML writes it in a line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix('...\n').strip()


def allowed(spec: Spec, quote: str = '') -> str:
    """Return range or choices of a parameter, '' if any value of its type is allowed."""
    if spec.choices:
        several = 'one or more of ' if isinstance(spec.default, list) else ''
        return several + ', '.join(f'{quote}{choice}{quote}' for choice in spec.choices)
    return '' if spec.low is None else f'{spec.low:.7g} to {spec.high:.7g}'
