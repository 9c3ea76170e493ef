"""Distribution shift as the real node reports it; the tiny model knows as many white as black."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.classifier_peer import BLACK, PATIENT, WHITE, ClassifierPeer, key_values, raw_image
from harness.ros_process import NodeProcess, RosPeer

WINDOW = 20  # all of one brightness in it: a p-value of some 1e-5
SHIFT = ['-p', f'shift.window:={WINDOW}', '-p', 'shift.every_s:=0.0']


@pytest.fixture(scope='module')
def node(
    peer: RosPeer, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClassifierPeer]:
    log = tmp_path_factory.mktemp('shift') / 'log'
    arguments = ['-r', 'image:=/camera/image_raw', *PATIENT, *SHIFT, '-p', f'model:={model}']
    with NodeProcess(peer.domain_id, arguments, log) as process:
        yield ClassifierPeer(peer, process)


def show(node: ClassifierPeer, greys: list[int]) -> Callable[[], None]:
    """Return what sends pictures of these brightnesses in turn, the next one when it is answered.

    So that none is dropped: a window must hold what was meant.
    """
    turn = itertools.cycle(greys)

    def send() -> None:
        grey = next(turn)
        node.until_answer(lambda: raw_image(grey))

    return send


def until_shift(node: ClassifierPeer, state: str, each: Callable[[], None]) -> dict[str, str]:
    """Wait for a report from now on with this state of `shift`; return its values."""
    node.reports.clear()

    def found() -> dict[str, str] | None:
        values = (key_values(report) for report in node.reports)
        return next((v for v in values if v['shift'] == state), None)

    values: dict[str, str] = node.until(found, f'shift {state!r}', each)
    return values


def test_a_shift_is_reported_with_what_differs(node: ClassifierPeer) -> None:
    assert node.set_parameters(shift__false_alarm=0.002) == ''  # a new window
    values = until_shift(node, 'yes', show(node, [BLACK]))
    assert float(values['shift_exit_p']) < 0.001
    assert float(values['shift_confidence_p']) < 0.001
    report = node.until_report('distribution shift: exits deeper (mean layer 4.0, calibration 2.5)')
    assert report.status[0].level >= b'\x01'
    assert 'confidence lower (mean 0.35, calibration 0.65)' in report.status[0].message


def test_images_as_the_calibration_s_are_no_shift(node: ClassifierPeer) -> None:
    values = until_shift(node, 'no', show(node, [WHITE, BLACK]))
    assert float(values['shift_exit_p']) >= 0.001
    node.reports.clear()
    show(node, [WHITE])()
    report = node.until(lambda: next(iter(node.reports), None), 'a report')
    assert 'distribution shift' not in report.status[0].message


def test_other_thresholds_are_not_compared_and_the_model_s_own_start_anew(
    node: ClassifierPeer,
) -> None:
    assert node.set_parameters(thresholds=0.5) == ''
    not_tested = 'not tested: the calibration used other thresholds'
    values = until_shift(node, not_tested, show(node, [BLACK]))
    assert values['shift_exit_p'] == 'unknown'
    assert node.set_parameters(thresholds=[0.8, 0.8]) == ''
    until_shift(node, 'not known yet', lambda: None)
    until_shift(node, 'yes', show(node, [BLACK]))


def test_a_shift_slows_where_asked_until_it_is_over(node: ClassifierPeer) -> None:
    until_shift(node, 'yes', show(node, [WHITE]))
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))  # shifted, but easy
    assert node.set_parameters(shift__slows=True) == ''
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))  # not known yet
    until_shift(node, 'yes', show(node, [WHITE]))
    node.until_rate(lambda rate: rate == pytest.approx(0.2), lambda: raw_image(WHITE))
    until_shift(node, 'no', show(node, [WHITE, BLACK]))
    node.until_rate(lambda rate: rate > 0.9, lambda: raw_image(WHITE))


def test_a_wrong_setting_is_refused(node: ClassifierPeer) -> None:
    assert 'shift.window' in node.set_parameters(shift__window=5)
    assert 'shift.false_alarm' in node.set_parameters(shift__false_alarm=1.0)
