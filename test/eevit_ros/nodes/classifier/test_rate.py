"""The rate of the real node where it depends on more than depth: on age and on confidence."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from harness.classifier_peer import BLACK, PATIENT, WHITE, ClassifierPeer, key_values, raw_image
from harness.ros_process import NodeProcess, RosPeer

OLD_S = 8
"""A mapping that wants 1.5 s for a full rate gives 1.5 / 8 at most: less than the floor."""

BY_AGE = ['-p', 'rate.mappings:=[depth,latency]', '-p', 'rate.reference_cycle_s:=1.5']
AT_ONCE = ['-p', 'rate.attack_s:=0.0']


def old_image() -> Image:
    """Return an easy image that was taken `OLD_S` ago."""
    message = raw_image(WHITE)
    message.header.stamp.sec -= OLD_S
    return message


@pytest.fixture(scope='module')
def node(
    peer: RosPeer, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClassifierPeer]:
    log = tmp_path_factory.mktemp('rate') / 'log'
    law = [*PATIENT, *BY_AGE, *AT_ONCE]
    arguments = ['-r', 'image:=/camera/image_raw', *law, '-p', f'model:={model}']
    with NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process)


def test_easy_but_old_images_keep_the_rate_at_the_floor_and_fresh_ones_raise_it(
    node: ClassifierPeer,
) -> None:
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))
    node.until_answer(old_image)  # and so, from now on, are all others
    node.until_rate(lambda rate: rate == pytest.approx(0.2), old_image)
    node.forget()
    node.until(
        lambda: len(node.frames) >= 10, 'ten answers', lambda: node.camera.publish(old_image())
    )
    for frame in map(key_values, node.frames):
        assert float(frame['age_ms']) >= 1000 * OLD_S
        assert float(frame['adaptive_rate']) == pytest.approx(0.2)
    assert all(rate.data == pytest.approx(0.2) for rate in node.rates)
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))


def test_mappings_change_while_it_runs(node: ClassifierPeer) -> None:
    assert node.set_parameters(rate__mappings=['depth']) == ''
    node.until_rate(lambda rate: rate > 0.9, old_image)
    assert node.set_parameters(rate__mappings=['depth', 'latency']) == ''
    node.until_rate(lambda rate: rate == pytest.approx(0.2), old_image)


@pytest.mark.parametrize(
    ('value', 'reason'),
    [
        (['depth', 'speed'], 'one or more of depth, confidence'),
        ('depth', 'STRING_ARRAY'),
        ([], 'STRING_ARRAY'),
    ],
)
def test_wrong_mappings_are_refused(node: ClassifierPeer, value: object, reason: str) -> None:
    assert reason in node.set_parameters(rate__mappings=value)


def test_easy_confidence_below_min_confidence_is_refused_with_both(node: ClassifierPeer) -> None:
    values = {'rate__mappings': ['depth', 'confidence'], 'rate__easy_confidence': 0.2}
    reason = node.set_parameters(**values)
    assert 'rate.easy_confidence' in reason
    assert 'rate.min_confidence (0.3)' in reason


def test_answers_to_what_waited_for_a_held_up_process_do_not_count_and_it_says_so(
    node: ClassifierPeer,
) -> None:
    assert node.set_parameters(rate__mappings=['depth'], rate__stale_after_s=0.5) == ''
    node.until_answer(lambda: raw_image(WHITE))
    node.process.process.send_signal(signal.SIGSTOP)
    over_s = time.monotonic() + 1.0
    node.peer.until(lambda: time.monotonic() > over_s, 'a second')
    node.process.process.send_signal(signal.SIGCONT)
    report = node.until_report(
        'this process stalled for', lambda: node.camera.publish(raw_image(WHITE))
    )
    assert report.status[0].level >= b'\x01'
    assert 'answer(s) are ignored' in report.status[0].message
    assert int(key_values(report)['hold_ups']) > 0
    assert node.set_parameters(rate__stale_after_s=3.0) == ''
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))


def test_an_unsure_answer_of_an_early_exit_is_published_reported_and_at_the_floor(
    node: ClassifierPeer,
) -> None:
    # Exit 1 always answers, and has a confidence of 1/3 for black: unsure, though easy by depth.
    unsure = {'thresholds': 0.0, 'rate__mappings': ['depth'], 'rate__min_confidence': 0.5}
    assert node.set_parameters(**unsure) == ''
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))
    frame = node.until_answer(lambda: raw_image(BLACK))
    assert (frame['exit_layer'], float(frame['adaptive_rate'])) == ('1', pytest.approx(0.2))
    node.classifications.clear()
    node.until(
        lambda: any(c.results[0].score < 0.5 for c in node.classifications),
        'the unsure label',
        lambda: node.camera.publish(raw_image(BLACK)),
    )
    report = node.until_report(
        "answer(s) below min_confidence, the last: 'class 0' 0.3",
        lambda: node.camera.publish(raw_image(BLACK)),
    )
    assert report.status[0].level == b'\x01'
    assert int(key_values(report)['unsure']) > 0
