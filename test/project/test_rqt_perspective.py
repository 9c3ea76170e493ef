"""The perspective for rqt shows topics that the nodes have, and fields that their messages have."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from test.documents.pages import ROOT, rows

FILE = ROOT / 'config' / 'rqt.perspective'
DOCUMENT = (ROOT / 'docs' / 'topics.md').read_text()


def value(settings: Any, name: str) -> Any:
    """What rqt reads: the literal of a Python value."""
    entry = settings['keys'][name]
    assert entry['type'] == 'repr'
    return ast.literal_eval(entry['repr'])


def plugins() -> dict[str, Any]:
    """The settings of each running plugin, by `plugin__PACKAGE__CLASS__NUMBER`."""
    manager = json.loads(FILE.read_text())['groups']['pluginmanager']
    running = value(manager, 'running-plugins')
    names = [f'plugin__{kind.replace("/", "__")}__{n}' for kind in running for n in running[kind]]
    assert set(names) == set(manager['groups'])
    return {name: manager['groups'][name]['groups']['plugin'] for name in names}


def types() -> dict[str, str]:
    """Type of each topic that the nodes publish, by its full name."""
    found = {}
    for node in ('classifier', 'speed_governor'):
        table = rows(DOCUMENT.split(f'## {node}\n')[1], 'topic')
        found |= {topic.replace('~', f'/{node}'): row[0] for topic, row in table.items()}
    return found


@pytest.mark.parametrize(
    'plugin', ['rqt_plot__Plot__1', 'rqt_plot__Plot__2', 'rqt_image_view__ImageView__1']
)
def test_what_is_shown_exists(plugin: str) -> None:
    settings = plugins()[f'plugin__{plugin}']
    if 'image' in plugin:
        assert types()[value(settings, 'topic')] == 'sensor_msgs/CompressedImage'
        return
    shown = value(settings, 'topics')
    for plotted in [shown] if isinstance(shown, str) else shown:
        topic, _, field = plotted.rpartition('/')
        assert re.fullmatch('std_msgs/(UInt8|Float32)', types()[topic])
        assert field == 'data'


def test_it_is_installed() -> None:
    assert "'config/rqt.perspective'" in (ROOT / 'setup.py').read_text()
