"""Boxes of a detector through the node, as real processes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from eevit_ros.model.compute import Compute
from eevit_ros.model.engine import Engine
from eevit_ros.nodes.classifier.activation import Activation
from eevit_ros.nodes.classifier.camera import Camera
from eevit_ros.parameters.cameras import camera_settings
from harness.classifier_peer import (
    BLACK,
    ERROR,
    MIDDLE,
    PATIENT,
    WHITE,
    ClassifierPeer,
    key_values,
    stamp_now,
)
from harness.domains import THIS_COMPUTER
from harness.ros_process import DEADLINE_S, NodeProcess, RosPeer

vision_msgs = pytest.importorskip('vision_msgs.msg')
if not hasattr(vision_msgs, 'Detection2DArray'):
    pytest.skip('vision_msgs was built before it had detections', allow_module_level=True)

SIDE = 40
LAYERS = {WHITE: 1, MIDDLE: 2, BLACK: 4}
ROW = (BLACK, WHITE, MIDDLE)
ARGUMENTS = [
    *('-r', 'image:=/camera/image_raw', '-r', 'regions:=/detector/boxes', *PATIENT),
    *('-p', 'regions:=true', '-p', 'region_margin:=0.0', '-p', 'regions_budget_ms:=60000.0'),
    *('-p', 'regions_wait_s:=5.0', '-p', 'top_k:=2', '-p', 'rate.min_confidence:=0.0'),
]


@pytest.fixture(scope='module')
def node(
    peer: RosPeer, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClassifierPeer]:
    arguments = [*ARGUMENTS, '-p', f'model:={model}']
    log = tmp_path_factory.mktemp('regions') / 'log'
    with NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process)


def test_where_the_camera_fails_no_detector_is_heard(
    peer: RosPeer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as with a wrong `qos_overrides`: the node stays inactive."""

    def fail(*_: object) -> None:
        raise RuntimeError('wrong QoS')

    monkeypatch.setattr(Camera, 'open', fail)
    settings = camera_settings({'model': str(model), 'regions': True})
    engine = Engine(model, compute=Compute(provider='cpu'))
    publishers: Any = SimpleNamespace(cameras={'': None})
    with pytest.raises(RuntimeError, match='wrong QoS'):
        Activation(peer.node, engine, settings, publishers)
    assert '/regions' not in [one.topic_name for one in peer.node.subscriptions]


class Detector:
    """Publishes boxes, and hears what becomes of them."""

    def __init__(self, node: ClassifierPeer) -> None:
        self.node = node
        kind = vision_msgs.Detection2DArray
        self.out = node.peer.node.create_publisher(kind, '/detector/boxes', 5)
        self.heard: list[Any] = node.peer.listen(kind, '/classifier/regions')
        self._serial = 0

    def image(self, greys: Sequence[int] = ROW) -> Image:
        """Return squares side by side, no two pictures alike."""
        row = np.repeat(np.array(greys, np.uint8), SIDE)
        pixels = np.broadcast_to(row[None, :, None], (SIDE, len(row), 3)).copy()
        self._serial += 1
        pixels[0, :4, 0] = np.frombuffer(self._serial.to_bytes(4, 'little'), np.uint8)
        message = Image(height=SIDE, width=len(row), encoding='rgb8', step=3 * len(row))
        message.data.frombytes(pixels.tobytes())
        return stamp_now(message)

    def boxes(self, header: Any, boxes: Sequence[tuple[float, ...]]) -> Any:
        """Return a message with boxes: place from the left, size in pixels; ids are numbers."""
        message = vision_msgs.Detection2DArray(header=header)
        for index, (place, size) in enumerate(boxes):
            one = vision_msgs.Detection2D(id=str(index))
            one.bbox.center.position.x, one.bbox.center.position.y = SIDE * (place + 0.5), SIDE / 2
            one.bbox.size_x = one.bbox.size_y = float(size)
            theirs = vision_msgs.ObjectHypothesisWithPose()
            theirs.hypothesis.class_id, theirs.hypothesis.score = 'thing', 0.5
            theirs.pose.pose.position.x = 7.0
            one.results = [theirs]
            message.detections.append(one)
        return message

    def until_answer(
        self, boxes: Sequence[tuple[float, ...]], greys: Sequence[int] = ROW, first: bool = False
    ) -> Any:
        """Send images with boxes until the boxes of one come back; return them.

        Args:
            boxes: As in `boxes`.
            greys: As in `image`.
            first: Whether the boxes come before their image.
        """
        sent: list[Any] = []

        def send() -> None:
            image = self.image(greys)
            sent.append(image.header)
            both = [(self.node.camera, image), (self.out, self.boxes(image.header, boxes))]
            for publisher, message in reversed(both) if first else both:
                publisher.publish(message)

        def answer() -> Any:
            return next((one for one in self.heard if one.header in sent), None)

        return self.node.until(answer, 'boxes with classes', send)


@pytest.fixture(scope='module')
def detector(node: ClassifierPeer) -> Detector:
    return Detector(node)


def frame_of(node: ClassifierPeer, header: Any) -> dict[str, str]:
    """Return the record of the image with this header."""
    found = node.until(
        lambda: next((one for one in node.frames if one.header == header), None), 'its record'
    )
    return key_values(found)


@pytest.mark.parametrize('first', [False, True])
def test_each_box_gets_the_classes_of_the_model_and_its_own_exit(
    node: ClassifierPeer, detector: Detector, first: bool
) -> None:
    answer = detector.until_answer([(0, SIDE), (1, SIDE), (2, SIDE)], first=first)
    assert [one.id for one in answer.detections] == ['0', '1', '2']
    for one in answer.detections:
        assert len(one.results) == 2
        assert one.results[0].hypothesis.class_id.startswith('class ')
        assert one.results[0].hypothesis.score >= one.results[1].hypothesis.score
        assert one.results[0].pose.pose.position.x == 7.0  # the detector's stays
        assert one.bbox.size_x == SIDE
    values = frame_of(node, answer.header)
    assert values['region_exit_layers'] == ' '.join(str(LAYERS[grey]) for grey in ROW)
    assert values['exit_layer'] == '4'  # the hardest sets the rate
    hardest = node.until(
        lambda: next((c for c in node.classifications if c.header == answer.header), None),
        'the classification of the frame',
    )
    assert len(hardest.results) == 2


def test_boxes_that_cannot_be_cut_are_told_and_left_without_a_class(
    node: ClassifierPeer, detector: Detector
) -> None:
    boxes = [(9, SIDE), (0, 0), (math.nan, SIDE), (0, math.inf), (1, SIDE)]
    answer = detector.until_answer(boxes)
    assert [len(one.results) for one in answer.detections] == [0, 0, 0, 0, 2]
    assert frame_of(node, answer.header)['region_exit_layers'] == '- - - - 1'
    node.until_report('cannot be cut out', lambda: detector.until_answer(boxes))


def test_thousands_of_boxes_are_counted(node: ClassifierPeer, detector: Detector) -> None:
    assert node.set_parameters(regions_budget_ms=20.0) == ''
    node.forget()
    sent: list[Any] = []
    next_s = 0.0

    def now_and_then() -> None:  # a message may get lost, and these take a while
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + 3.0
            image = detector.image()
            sent.append(image.header)
            node.camera.publish(image)
            detector.out.publish(detector.boxes(image.header, [(1, SIDE)] * 2_000))

    answer = node.until(
        lambda: next((one for one in detector.heard if one.header in sent), None),
        'all boxes',
        now_and_then,
    )
    assert len(answer.detections) == 2_000
    assert 0 < sum(bool(one.results) for one in answer.detections) < 2_000
    node.until(
        lambda: any('did not fit' in one.status[0].message for one in node.reports), 'the count'
    )
    assert node.set_parameters(regions_budget_ms=60_000.0) == ''


def test_a_frame_without_boxes_is_no_evidence(node: ClassifierPeer, detector: Detector) -> None:
    easy = [(1, SIDE)]
    assert node.set_parameters(no_regions='hold', rate__stale_after_s=10.0) == ''

    def rate() -> float:
        node.rates.clear()
        return node.until(lambda: node.rates, 'a rate')[-1].data

    def send(boxes: Sequence[tuple[float, ...]]) -> None:
        detector.heard.clear()
        detector.until_answer(boxes)

    node.until(lambda: rate() == 1.0, 'full rate', lambda: send(easy))
    node.forget()
    send([])
    assert detector.heard[-1].detections == []
    assert rate() == 1.0
    assert not [one for one in node.frames if one.header == detector.heard[-1].header]
    assert node.set_parameters(no_regions='floor', rate__stale_after_s=3.0) == ''
    node.until(lambda: rate() < 0.5, 'the floor', lambda: send([]))
    assert (
        'no image had a region'
        in node.until_report('no_regions', lambda: send([])).status[0].message
    )


def test_detections_that_fit_no_image_are_told(node: ClassifierPeer, detector: Detector) -> None:
    def other_camera() -> None:
        image = detector.image()
        node.camera.publish(image)
        message = detector.boxes(image.header, [(0, SIDE)])
        message.header.frame_id = 'rear'
        detector.out.publish(message)

    report = node.until_report("of frame 'rear'", other_camera)
    assert int(key_values(report)['detections_unmatched']) > 0

    def ahead() -> None:
        image = detector.image()
        node.camera.publish(image)
        message = detector.boxes(image.header, [(0, SIDE)])
        message.header.stamp.sec += 100
        detector.out.publish(message)

    node.until_report('ahead of the newest image', ahead)


def test_a_detector_that_stops_is_told_and_the_rate_falls(
    node: ClassifierPeer, detector: Detector
) -> None:
    def images_alone() -> None:
        node.camera.publish(detector.image())

    report = node.until_report('no detections on /detector/boxes', images_alone, ERROR)
    assert 'silent' in report.status[0].message
    node.until_rate(lambda rate: rate == pytest.approx(0.2), detector.image)


DEACTIVATED = """
import gc, sys, time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from eevit_ros.nodes.classifier.activation import Activation
from eevit_ros.nodes.classifier.frame import Frame
from eevit_ros.nodes.classifier.node import ClassifierNode

rclpy.init(args=sys.argv)
node, executor = ClassifierNode(), SingleThreadedExecutor()
executor.add_node(node)
camera = rclpy.create_node('camera').create_publisher(Image, 'image', 1)
node.trigger_configure()
gc.collect()
gc.disable()

def alive():
    return sum(isinstance(thing, (Activation, Frame)) for thing in gc.get_objects())

for _ in range(2):
    node.trigger_activate()
    deadline = time.monotonic() + float(sys.argv[1])
    while alive() < 4 and time.monotonic() < deadline:  # they wait for a detector
        stamp = node.get_clock().now().to_msg()
        picture = Image(height=9, width=9, encoding='mono8', step=9, data=bytes(81))
        picture.header.stamp = stamp
        camera.publish(picture)
        executor.spin_once(timeout_sec=0.1)
    print(alive() >= 4)
    node.trigger_deactivate()
    executor.spin_once(timeout_sec=0.1)
    print(alive())
"""


def test_a_node_that_was_deactivated_keeps_no_pictures(peer: RosPeer, model: Path) -> None:
    arguments = ['-p', f'model:={model}', '-p', 'autostart:=false', '-p', 'regions:=true']
    done = subprocess.run(
        [sys.executable, '-c', DEACTIVATED, str(DEADLINE_S), '--ros-args', *arguments],
        env={**os.environ, **THIS_COMPUTER, 'ROS_DOMAIN_ID': str(peer.domain_id)},
        capture_output=True,
        text=True,
        check=True,
        timeout=2 * DEADLINE_S,
    )
    said = [line for line in done.stdout.splitlines() if not line.startswith('[')]
    assert said == ['True', '0', 'True', '0']
