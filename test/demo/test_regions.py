"""Several things in a picture: what is composed, and the whole demo of it as its user starts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.bag import COMPRESSED_TOPIC
from demo.regions.bag import TRUE_TOPIC, write_region_bag
from demo.regions.scene import HEIGHT, WIDTH, compose
from eevit_ros.recordings.bag.messages import deserialize
from eevit_ros.recordings.bag.source import BagSource
from harness.tiny_model import write_tiny_model
from test.demo.records_for_tests import grey_frame

FRAMES = 45  # three seconds of 15 Hz


@pytest.fixture(scope='module')
def recording() -> list:
    return [grey_frame(i, level=255 if i // 15 != 1 else 0) for i in range(FRAMES)]


def test_boxes_lie_in_the_picture_and_keep_their_class(recording: list, tmp_path: Path) -> None:
    frames = list(compose(recording))
    assert len(frames) == 15
    for frame in frames:
        assert len({thing.id for thing in frame.things}) == len(frame.things) == 5
        for thing in frame.things:
            half = thing.side / 2
            assert half <= thing.x <= WIDTH - half and half <= thing.y <= HEIGHT - half
            assert thing.truth == recording[0].truth
    write_region_bag(tmp_path / 'bag', frames)
    source = BagSource(tmp_path / 'bag', COMPRESSED_TOPIC)
    truths = source.detections(TRUE_TOPIC)
    for frame, read in zip(frames, source, strict=True):
        assert (read.stamp_ns, read.data) == (frame.stamp_ns, frame.jpeg)
        found = deserialize(truths[read.stamp_ns, read.frame_id]).detections
        assert [(one.id, one.bbox.center.position.x, one.bbox.size_x) for one in found] == [
            (thing.id, thing.x, thing.side) for thing in frame.things
        ]


def test_one_command_shows_the_boxes(recording: list, tmp_path: Path) -> None:
    pytest.importorskip('rclpy')
    messages = pytest.importorskip('vision_msgs.msg')
    if not hasattr(messages, 'Detection2DArray'):
        pytest.skip('vision_msgs was built before it had detections')
    from demo.bag import write_bag
    from test.demo.test_demo_process import run

    write_bag(tmp_path / 'bag', recording)
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    out = tmp_path / 'out'
    code, said, err = run(
        *('--regions', '--bag', tmp_path / 'bag', '--model', model, '--output', out)
    )
    assert code == 0, err
    assert 'things answered' in said
    assert (out / 'regions.html').read_text().count('data:image/jpeg') > 1
    pictures = json.loads((out / 'regions.json').read_text())['pictures']
    assert pictures
    layers = {one['exit_layer'] for picture in pictures for one in picture['regions']}
    assert {1, 4} <= layers  # white things left at once, black ones at the end
