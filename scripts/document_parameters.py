"""Writes docs/parameters.md from what the nodes themselves say of their parameters.

build/venv/bin/python -m scripts.document_parameters
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from eevit_ros.nodes.bags import player as bag_player
from eevit_ros.nodes.bags import recorder as bag_recorder
from eevit_ros.parameters import classifier_specs as parameter_specs
from eevit_ros.parameters import governor_specs
from eevit_ros.parameters.parameter_spec import Spec
from eevit_ros.reporting.table import markdown_table

DOCUMENT = Path(__file__).parents[1] / 'docs' / 'parameters.md'

PAGE = """\
# Parameters

Written by `scripts/document_parameters.py` from the code: change it there. `ros2 param describe
NODE NAME` says the same on the robot. With a wrong value a node does not start: exit code 2, the
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


def document() -> str:
    """Returns the page."""
    return PAGE.format(
        classifier=table(parameter_specs.SPECS, live=True),
        governor=table(governor_specs.SPECS),
        player=table(bag_player.SPECS),
        recorder=table(bag_recorder.SPECS),
    )


def table(specs: Mapping[str, Spec], *, live: bool = False) -> str:
    """Returns a Markdown table, a row a parameter; with `live` it has that column."""
    columns = ['parameter', 'default', 'allowed', *(['live'] if live else []), '']
    rows = []
    for name, spec in specs.items():
        row = [f'`{name}`', code(spec.default), allowed(spec)]
        rows.append([*row, *(['yes' if spec.live else ''] if live else []), words(spec)])
    return markdown_table(columns, rows) + '\n'


def code(value: object) -> str:
    """Returns a value as YAML writes it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix('...\n')
    return f'`{text.strip()}`'


def allowed(spec: Spec) -> str:
    """Returns range or choices of a parameter, '' if any value of its type is."""
    if spec.choices:
        several = 'one or more of ' if isinstance(spec.default, list) else ''
        return several + ', '.join(f'`{choice}`' for choice in spec.choices)
    return '' if spec.low is None else f'{spec.low:.7g} to {spec.high:.7g}'


def words(spec: Spec) -> str:
    """Returns the description; documents become links, and ~ and $ do not mean Markdown's."""
    text = re.sub(r'\bdocs/(\w+\.md)', r'[\1](\1)', spec.description)
    return re.sub(r'[~$][\w./]*(?<!\.)', r'`\g<0>`', text)


if __name__ == '__main__':
    DOCUMENT.write_text(document())
    print(f'written: {DOCUMENT}')
