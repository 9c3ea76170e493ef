"""A covered lens: the tiny model is sure of it, and the rate is at the floor all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import Image

from harness.classifier_peer import (
    ERROR,
    PATIENT,
    WHITE,
    ClassifierPeer,
    key_values,
    pixels,
    raw_image,
    stamp_now,
)
from harness.ros_process import NodeProcess, RosPeer

FLOOR = pytest.approx(0.2)
RNG = np.random.default_rng(1)


@pytest.fixture(scope='module')
def node(
    peer: RosPeer, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClassifierPeer]:
    log = tmp_path_factory.mktemp('blind') / 'log'
    arguments = ['-r', 'image:=/camera/image_raw', *PATIENT, '-p', f'model:={model}']
    with NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process)


def covered() -> Image:
    """Return what the tiny model finds easy: a bright, even picture with the sensor's noise."""
    picture = np.clip(RNG.normal(230, 5, (24, 32, 3)), 0, 255).astype(np.uint8)
    return raw_image(WHITE, data=picture.tobytes())


def test_a_blind_camera_is_at_the_floor_answered_and_reported_until_it_sees(
    node: ClassifierPeer,
) -> None:
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))
    frame = node.until_answer(covered)
    assert (frame['exit_layer'], float(frame['adaptive_rate'])) == ('1', FLOOR)
    assert float(frame['confidence']) > 0.9
    report = node.until_report(
        'the camera sees nothing', lambda: node.camera.publish(covered()), ERROR
    )
    assert float(key_values(report)['contrast']) < 2.0
    node.forget()
    node.until(lambda: len(node.frames) >= 5, 'answers', lambda: node.camera.publish(covered()))
    assert all(rate.data == FLOOR for rate in node.rates)
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))


def test_the_limit_changes_while_it_runs(node: ClassifierPeer) -> None:
    assert node.set_parameters(blind_below_contrast=0.0) == ''
    node.until_rate(lambda rate: rate > 0.9, covered)
    assert node.set_parameters(blind_below_contrast=2.0) == ''
    node.until_rate(lambda rate: rate == FLOOR, covered)
    assert 'blind_below_contrast' in node.set_parameters(blind_below_contrast=-1.0)


def of_12_bits() -> Image:
    """Return a bright picture as an industrial camera sends it."""
    deep = pixels(WHITE)[..., 0].astype('<u2') * 16
    height, width = deep.shape
    message = Image(height=height, width=width, encoding='mono16', step=2 * width)
    message.data.frombytes(deep.tobytes())
    return stamp_now(message)


def test_low_bits_are_told_from_a_covered_lens_and_cured_while_it_runs(
    node: ClassifierPeer,
) -> None:
    node.until_rate(lambda rate: rate == FLOOR, of_12_bits)
    report = node.until_report(
        'only the low 12 bits', lambda: node.camera.publish(of_12_bits()), ERROR
    )
    assert 'set image_range to [0, 4095]' in report.status[0].message
    assert 'lens covered' not in report.status[0].message
    for cure in ([0, 4095], 'auto'):
        assert node.set_parameters(image_range=cure) == ''
        node.until_rate(lambda rate: rate > 0.9, of_12_bits)
        assert node.set_parameters(image_range='') == ''
        node.until_rate(lambda rate: rate == FLOOR, of_12_bits)
    assert 'image_range' in node.set_parameters(image_range=[7, 7])
