"""The promise of a replay: a frame gets the answer that the real node gives to it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from eevit_ros.model.engine import Engine
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.results.frame_table import FrameRow
from test.eevit_ros.replay.demo_frames import BAG, MODEL, every, needs_model
from test.eevit_ros.replay.made_replays import replayed

pytest.importorskip('rclpy')
pytest.importorskip('vision_msgs')

from sensor_msgs.msg import Image  # noqa: E402

from harness.classifier_peer import ClassifierPeer  # noqa: E402
from harness.paths import ROOT
from harness.ros_process import NodeProcess, RosPeer  # noqa: E402

pytestmark = needs_model

STEP = 9  # 42 of the demo's frames, twice or so for each of its pictures
DEFAULTS = ['--params-file', str(ROOT / 'config' / 'classifier.yaml')]
CAMERA = '/camera/image_raw'


@pytest.fixture(scope='module')
def frames() -> list[SourceFrame]:
    return list(every(STEP, open_source(BAG, None)))


@pytest.fixture(scope='module')
def engine() -> Engine:
    return Engine(MODEL)


@pytest.fixture(scope='module')
def rows(engine: Engine, frames: list[SourceFrame]) -> list[FrameRow]:
    """What a replay answers, with the engine and the parameters that the node has by default."""
    return replayed(engine, frames).rows


@pytest.fixture(scope='module')
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClassifierPeer]:
    log = tmp_path_factory.mktemp('node') / 'node.log'
    with (
        RosPeer() as peer,
        NodeProcess(peer.domain_id, [*DEFAULTS, '-r', f'image:={CAMERA}'], log) as process,
    ):
        yield ClassifierPeer(peer, process, camera_topic=CAMERA, camera_type=Image)


def image(frame: SourceFrame) -> Image:
    """Return a recorded frame, decoded, as a camera would send it now."""
    pixels = frame.decode()
    height, width, _ = pixels.shape
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.data.frombytes(pixels.tobytes())
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
    return message


def test_the_node_and_a_replay_give_every_frame_the_same_answer(
    node: ClassifierPeer, frames: list[SourceFrame], rows: list[FrameRow]
) -> None:
    assert len({row.exit_layer for row in rows}) > 3  # easy ones and hard ones are among them
    for frame, row in zip(frames, rows, strict=True):
        node.forget()
        answer = node.until_answer(lambda frame=frame: image(frame))
        assert answer['label'] == row.label
        assert int(answer['exit_layer']) == row.exit_layer
        assert answer['depth'] == f'{row.depth:.6f}'
        assert answer['confidence'] == f'{row.confidence:.6f}'


def test_so_they_do_of_a_camera_that_is_cropped_turned_and_mirrored(
    node: ClassifierPeer, engine: Engine, frames: list[SourceFrame]
) -> None:
    mounting: dict[str, Any] = {
        'image_crop': [40, 8, 500, 400],
        'image_rotation': 90,
        'image_flip': 'horizontal',
    }
    settings, _ = classifier_settings(None, [f'{name}:={v}' for name, v in mounting.items()])
    mounted = [*every(STEP, open_source(BAG, None, settings.images))][::8]
    rows = replayed(engine, mounted).rows
    assert node.set_parameters(**mounting) == ''
    try:
        for frame, row in zip(frames[::8], rows, strict=True):
            node.forget()
            answer = node.until_answer(lambda frame=frame: image(frame))
            assert answer['mounting'] == settings.images.mounting.text
            assert (answer['label'], answer['exit_layer']) == (row.label, str(row.exit_layer))
            assert float(answer['confidence']) == pytest.approx(row.confidence, abs=1e-3)
    finally:
        node.set_parameters(image_crop=[0, 0, 0, 0], image_rotation=0, image_flip='none')


def test_the_replays_answer_does_not_depend_on_where_a_frame_stands(
    engine: Engine, frames: list[SourceFrame], rows: list[FrameRow]
) -> None:
    third = frames[::3]
    backwards = [
        dataclasses.replace(frame, received_ns=first.received_ns, stamp_ns=first.stamp_ns)
        for frame, first in zip(reversed(third), third, strict=True)
    ]
    again = replayed(engine, backwards).rows
    for row, other in zip(rows[::3], reversed(again), strict=True):
        assert (row.label, row.exit_layer) == (other.label, other.exit_layer)
        assert row.confidence == other.confidence
