"""What replay.launch.py makes of its arguments; neither launch nor rosbag2 is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.launching import rosbag2_cli
from eevit_ros.launching.replay_arguments import prepare
from harness.bags import images, write_bag


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """The defaults, with a bag of one image."""
    bag, output = write_bag(tmp_path / 'bag', images(1)), tmp_path / 'recording'
    empty = dict.fromkeys(('topic', 'detections', 'transport'), '')
    return {**empty, 'bag': str(bag), 'rate': '1.0', 'output': str(output), 'player': 'auto'}


@pytest.mark.parametrize('topic', ['', 'front=/camera/image_raw'])
@pytest.mark.parametrize('is_whole', [True, False])
@pytest.mark.parametrize('is_installed', [True, False])
def test_rosbag2_plays_what_it_plays_whole(
    given: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    is_installed: bool,
    is_whole: bool,
    topic: str,
) -> None:
    monkeypatch.setattr(rosbag2_cli, 'is_installed', lambda: is_installed)
    given['topic'] = topic
    if not is_whole:
        file = Path(given['bag']) / 'bag.mcap'
        file.write_bytes(file.read_bytes()[:-1])
    prepare(given)
    rosbag2 = is_installed and is_whole and not topic
    assert given['player'] == ('rosbag2' if rosbag2 else 'eevit')
    assert given['controller'] == ('rosbag2_recorder' if rosbag2 else 'bag_recorder')
    assert given['cameras'] == ('front' if topic else '')


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'output': '/tmp'}, "output: '/tmp' exists already"),
        ({'rate': 'fast'}, "rate: must be a number from 0.01 to 100.0. Got 'fast'"),
        ({'rate': '0'}, "rate: must be a number from 0.01 to 100.0. Got '0'"),
        ({'rate': 'nan'}, "rate: must be a number from 0.01 to 100.0. Got 'nan'"),
        ({'detections': 'front=/boxes'}, "detections: give one topic. Got 'front=/boxes'"),
        (
            {'topic': 'front=/image', 'detections': '/boxes'},
            "detections: give CAMERA=TOPIC,... of front. Got '/boxes'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    given: dict[str, str], changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(EevitError) as refused:
        prepare({**given, **changes})
    assert reason in str(refused.value)
