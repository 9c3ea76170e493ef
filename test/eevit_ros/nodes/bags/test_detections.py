"""Three cameras and their detectors out of one bag: live and in replay the same answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')
vision_msgs = pytest.importorskip('vision_msgs.msg')
if not hasattr(vision_msgs, 'Detection2DArray'):
    pytest.skip('vision_msgs was built before it had detections', allow_module_level=True)

from eevit_ros.replay.cli import main  # noqa: E402
from harness.bags import DETECTIONS, IMAGE, ROS2, detections, header, stamp_of, write_bag  # noqa: E402
from harness.classifier_peer import PATIENT  # noqa: E402
from harness.ros_process import NodeProcess, RosPeer  # noqa: E402
from harness.tiny_model import write_tiny_model  # noqa: E402

NAMES = ('front', 'left', 'rear')
COUNT, SIDE = 8, 40
PARAMETERS = [
    'cameras:=[front,left,rear]',
    'regions:=true',
    'region_margin:=0.0',
    'regions_budget_ms:=60000.0',
    'regions_wait_s:=5.0',
]


def entries(camera: int, index: int) -> list[Any]:
    """Return an image of three squares of any brightness, and their boxes a little later."""
    greys = np.random.default_rng(100 * camera + index).integers(0, 256, 3).astype(np.uint8)
    pixels = np.broadcast_to(np.repeat(greys, SIDE)[None, :, None], (SIDE, 3 * SIDE, 3)).copy()
    name, stamp = NAMES[camera], stamp_of(index) + camera
    head = header(stamp)
    head.frame_id = name
    image = ROS2.types[IMAGE](
        header=head,
        height=SIDE,
        width=3 * SIDE,
        encoding='rgb8',
        is_bigendian=0,
        step=9 * SIDE,
        data=pixels.ravel(),
    )
    boxes = [(SIDE * (i + 0.5), SIDE / 2, SIDE, SIDE, 'thing') for i in range(3)]
    found = detections(stamp, boxes, frame_id=name)
    return [
        (f'/{name}/image', IMAGE, stamp + 1_000_000, image),
        (f'/{name}/boxes', DETECTIONS, stamp + 30_000_000, found),
    ]


def test_three_cameras_and_their_detectors(tmp_path: Path) -> None:
    made = [one for i in range(COUNT) for camera in range(3) for one in entries(camera, i)]
    bag = write_bag(tmp_path / 'bag', sorted(made, key=lambda entry: entry[2]))
    model = ['-p', f'model:={write_tiny_model(tmp_path / "tiny.onnx")}']
    given = [word for one in PARAMETERS for word in ('-p', one)]
    images = ','.join(f'{name}=/{name}/image' for name in NAMES)
    boxes = ','.join(f'{name}=/{name}/boxes' for name in NAMES)
    played = [f'bag:={bag}', f'topic:={images}', f'detections:={boxes}', 'rate:=0.3']
    play = (sys.executable, '-m', 'eevit_ros.nodes.bags.player')
    with (
        RosPeer() as peer,
        NodeProcess(peer.domain_id, [*PATIENT, *model, *given], tmp_path / 'log') as node,
    ):
        kind = vision_msgs.Detection2DArray
        heard = {name: peer.listen(kind, f'/classifier/{name}/regions') for name in NAMES}
        answers = ','.join(f'/classifier/{name}/regions' for name in NAMES)
        played.append(f'wait_for:=[{answers}]')
        options = [word for one in played for word in ('-p', one)]
        peer.until(
            lambda: all(peer.node.count_publishers(topic) for topic in answers.split(',')),
            'the publishers of the answers',
            node=node,
        )
        with NodeProcess(peer.domain_id, options, tmp_path / 'player.log', play) as player:
            peer.until(
                lambda: player.process.poll() is not None, 'the end of the player', node=node
            )
        assert player.process.returncode == 0, player.output()
        peer.until(lambda: all(heard.values()), 'answers to all', node=node)
    command = ['run', str(bag), *model, *given, '--out', str(tmp_path / 'out')]
    for name in NAMES:
        command += ['--topic', f'{name}=/{name}/image', '--detections', f'{name}=/{name}/boxes']
    assert main(command) == 0
    rows = pd.read_csv(tmp_path / 'out' / 'regions.csv')
    assert len(rows) == COUNT * 3 * 3
    rows = rows.set_index(['camera', 'stamp_ns', 'region'])
    for name, messages in heard.items():
        for message in messages:
            stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
            for place, one in enumerate(message.detections):
                row, best = rows.loc[name, stamp_ns, place], one.results[0].hypothesis
                assert best.class_id == row['label']
                assert best.score == pytest.approx(row['confidence'], abs=1e-6)
