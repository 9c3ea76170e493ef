"""The perspective for rqt shows topics that the nodes have, and fields that their messages have."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from eevit_ros.parameters.topics import CLASSIFIER, GOVERNOR
from harness.paths import ROOT

FILE = ROOT / 'config' / 'rqt.perspective'


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


def types() -> dict[str, tuple[str, ...]]:
    """Types of each topic of the nodes, by its full name."""
    return {topic.full_name: topic.types for topic in (*CLASSIFIER, *GOVERNOR)}


@pytest.mark.parametrize(
    'plugin', ['rqt_plot__Plot__1', 'rqt_plot__Plot__2', 'rqt_image_view__ImageView__1']
)
def test_what_is_shown_exists(plugin: str) -> None:
    settings = plugins()[f'plugin__{plugin}']
    if 'image' in plugin:
        assert types()[value(settings, 'topic')] == ('sensor_msgs/msg/CompressedImage',)
        return
    shown = value(settings, 'topics')
    for plotted in [shown] if isinstance(shown, str) else shown:
        topic, _, field = plotted.rpartition('/')
        assert types()[topic] in {('std_msgs/msg/UInt8',), ('std_msgs/msg/Float32',)}
        assert field == 'data'


def test_it_is_installed() -> None:
    assert "'config/rqt.perspective'" in (ROOT / 'setup.py').read_text()
