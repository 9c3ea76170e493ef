"""What docs/recording.md and the recorder's configuration say is what code and rule say."""

from __future__ import annotations

import re

import pytest
import yaml

from test.documents.pages import ROOT, rows

TEXT = (ROOT / 'docs' / 'recording.md').read_text()
RECORDER = yaml.safe_load((ROOT / 'config' / 'rosbag2_recorder.yaml').read_text())
QOS = yaml.safe_load((ROOT / 'config' / 'rosbag2_recorder_qos.yaml').read_text())


def test_sizes_follow_the_rule() -> None:
    bytes_a_pixel = (3, 0.2, 0.1)
    table = rows(TEXT, 'camera')
    assert table
    for camera, cells in table.items():
        width, height, hz = map(int, re.findall(r'\d+', camera))
        for cell, factor in zip(cells, bytes_a_pixel, strict=True):
            gigabytes = width * height * hz * factor * 3600 / 1e9
            assert float(cell) == pytest.approx(gigabytes, rel=0.03), camera


def test_the_command_for_humble_does_the_same() -> None:
    command = re.search(r'ros2 bag record (.*?)\n\n', TEXT, re.DOTALL)
    assert command
    words = command[1].replace('\\\n', ' ').split()
    options = dict(zip(words, words[1:], strict=False))
    record, storage = _parameters()['record'], _parameters()['storage']
    assert [word for word in words if word.startswith('/')] == record['topics']
    assert options['-s'] == storage['storage_id']
    assert options['--storage-preset-profile'] == storage['storage_preset_profile']
    assert int(options['--max-bag-size']) == storage['max_bagfile_size']
    assert int(options['--max-bag-duration']) == storage['max_bagfile_duration']
    assert int(options['--max-cache-size']) == storage['max_cache_size']


def test_the_recorder_never_holds_up_the_limit() -> None:
    assert QOS['/speed_limit']['reliability'] == 'best_effort'
    assert '/speed_limit' in _parameters()['record']['topics']


def _parameters() -> dict:
    return RECORDER['rosbag2_recorder']['ros__parameters']
