from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import Reader

from eevit_ros.replay.report.foxglove import LAYOUT, write_layout
from eevit_ros.replay.running.output_bag import picture_topic
from test.eevit_ros.replay.written_bags import read, write_two_frames


def panels(layout: Any) -> Iterator[str]:
    """The panels that a layout places."""
    if isinstance(layout, str):
        yield layout
    else:
        yield from panels(layout['first'])
        yield from panels(layout['second'])


def paths(config: Any) -> Iterator[str]:
    """All message paths and topics in it."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key in ('value', 'topicPath', 'imageTopic'):
                yield value
            yield from paths(value)
    elif isinstance(config, list):
        for value in config:
            yield from paths(value)


def follow(message: Any, path: str) -> Any:
    """What a message path names in a message."""
    for name, index in re.findall(r'\.(\w+)(?:\[(\d+)\])?', path):
        message = getattr(message, name)
        message = message[int(index)] if index else message
    return message


def test_each_panel_has_a_place(tmp_path: Path) -> None:
    layout = json.loads(write_layout(tmp_path, picture_topic('/front/image_raw')).read_text())
    assert sorted(panels(layout['layout'])) == sorted(layout['configById'])
    assert {'globalVariables', 'userNodes', 'playbackConfig'} <= layout.keys()


def test_every_path_leads_to_something_in_the_output_bag(tmp_path: Path) -> None:
    write_two_frames(tmp_path / 'bag')
    layout = json.loads(write_layout(tmp_path, picture_topic('/front/image_raw')).read_text())
    found = read(tmp_path / 'bag')
    shown = list(paths(layout['configById']))
    for path in shown:
        topic, _, rest = path.partition('.')
        follow(found[topic][0][1], f'.{rest}' if rest else '')
    with Reader(tmp_path / 'bag') as reader:
        unseen = reader.topics.keys() - {path.partition('.')[0] for path in shown}
    assert unseen == {'/classifier/label_info'}


def test_the_layout_of_the_package_stays_as_it_is(tmp_path: Path) -> None:
    before = LAYOUT.read_text()
    path = write_layout(tmp_path, picture_topic(''))
    assert path.name == 'foxglove_layout.json'
    assert json.loads(path.read_text()) == json.loads(before)
    assert LAYOUT.read_text() == before
