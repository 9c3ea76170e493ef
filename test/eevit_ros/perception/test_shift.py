"""Distribution shift: a stated rate of false alarms, real shifts found, and what cannot be told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.perception.shift import ShiftMonitor, ShiftSettings
from harness.tiny_model import tiny_metadata

# Three exits, images of the kind that a good model leaves early and is sure of.
COUNTS = (
    (0, 0, 0, 0, 0, 0, 0, 0, 0, 2000),
    (0, 0, 0, 0, 0, 0, 0, 0, 900, 600),
    (0, 10, 40, 100, 250, 400, 300, 200, 100, 100),
)
METADATA = replace(tiny_metadata(), calibration_counts=COUNTS)
SHARES: npt.NDArray[np.float64] = np.array(COUNTS) / np.sum(COUNTS)


def monitor(**changes: object) -> ShiftMonitor:
    values: dict[str, object] = {'window': 100, 'every_s': 0.0, **changes}
    return ShiftMonitor(ShiftSettings(**values), METADATA, METADATA.default_thresholds)  # type: ignore[arg-type]


def feed(found: ShiftMonitor, table: npt.NDArray[np.int64], now_s: float = 0.0) -> None:
    """Give all answers of a table, each confidence in the middle of its bin."""
    for exit_index, row in enumerate(table):
        for bin_index, count in enumerate(row):
            for _ in range(count):
                found.answer(exit_index, (bin_index + 0.5) / 10, now_s)


def windows(shares: npt.NDArray[np.float64], count: int, size: int) -> npt.NDArray[np.int64]:
    rng = np.random.default_rng(0)
    drawn: npt.NDArray[np.int64] = rng.multinomial(size, shares.ravel(), count)
    return drawn.reshape(count, *shares.shape)


def alarms(shares: npt.NDArray[np.float64], *, count: int, size: int, false_alarm: float) -> int:
    """How many of so many windows from `shares` are called shifted."""
    found = monitor(window=size, false_alarm=false_alarm)
    shifted = 0
    for table in windows(shares, count, size):
        feed(found, table)
        assert found.last
        shifted += found.last.shifted
    return shifted


# The rate of alarms -------------------------------------------------------------------------------


def most_by_chance(count: int, p: float) -> int:
    """The least k that fewer than one in 10,000 binomials (count, p) exceed."""
    at_most = 0.0
    for k in range(count + 1):
        at_most += math.comb(count, k) * p**k * (1 - p) ** (count - k)
        if 1 - at_most < 1e-4:
            return k
    return count


@pytest.mark.parametrize('size', [50, 200])
def test_without_a_shift_alarms_are_as_rare_as_stated(size: int) -> None:
    shifted = alarms(SHARES, count=1000, size=size, false_alarm=0.05)
    assert 10 <= shifted <= most_by_chance(1000, 0.05)  # and the test is not asleep


def test_half_the_answers_leaving_one_exit_later_are_found() -> None:
    deeper = SHARES.copy()
    deeper[1:] += SHARES[:-1] / 2
    deeper[:-1] /= 2
    deeper /= deeper.sum()
    assert alarms(deeper, count=100, size=200, false_alarm=0.001) >= 95


def test_confidences_that_fall_at_the_same_exits_are_found() -> None:
    found = monitor()
    less_sure = np.roll(SHARES, -2, axis=1)
    feed(found, windows(less_sure, 1, 100)[0])
    assert found.last and found.last.shifted
    assert found.last.exit_p > 0.001 > found.last.confidence_p
    assert 'confidence lower (mean 0.6' in found.last.difference


def test_the_difference_is_said_in_words() -> None:
    found = monitor(window=20)
    feed(found, np.array([[0] * 10, [0] * 10, [0, 0, 0, 20, *[0] * 6]]))
    assert found.state == 'yes'
    assert found.warning.startswith(
        'distribution shift: exits deeper (mean layer 4.0, calibration 2.2), '
        'confidence lower (mean 0.35, calibration 0.83) in the last 20 answers; '
    )
    assert found.facts['shift'] == 'yes' and float(found.facts['shift_exit_p']) < 1e-4
    feed(found, np.array([[0] * 9 + [20], [0] * 10, [0] * 10]))
    assert 'exits shallower (mean layer 1.0' in found.warning
    assert 'confidence higher (mean 0.95' in found.warning


# Windows ------------------------------------------------------------------------------------------


def test_a_verdict_is_that_of_the_last_complete_window() -> None:
    found = monitor()
    good, bad = np.round(SHARES * 100).astype(np.int64), np.zeros((3, 10), np.int64)
    good[2, 5] += 100 - good.sum()
    bad[2, 2] = 100
    bad_but_one = bad.copy()
    bad_but_one[2, 2] = 99
    assert found.state == 'not known yet'
    feed(found, bad_but_one)
    assert found.state == 'not known yet' and found.last is None
    found.answer(2, 0.25, 0.0)
    assert found.state == 'yes'
    feed(found, good)
    assert found.state == 'no'
    feed(found, bad_but_one)
    assert found.state == 'no'
    found.answer(2, 0.25, 0.0)
    assert found.state == 'yes'


def test_only_one_answer_in_a_while_is_taken() -> None:
    found = monitor(window=20, every_s=1.0)
    for tenth in range(190):
        found.answer(2, 0.25, 5 + tenth / 10)
    assert found.state == 'not known yet'  # taken at 5, 6, ... 23 s
    found.answer(2, 0.25, 24.0)
    assert found.state == 'yes'


def test_full_confidence_is_of_the_last_bin() -> None:
    found = monitor(window=20)
    for _ in range(20):
        found.answer(0, 1.0, 0.0)
    assert found.last and '(mean 0.95,' in found.last.difference


@pytest.mark.parametrize(('slows', 'shifted'), [(True, True), (True, False), (False, True)])
def test_it_slows_where_asked_and_only_while_shifted(slows: bool, shifted: bool) -> None:
    found = monitor(slows=slows)
    assert not found.slows
    shares = np.roll(SHARES, -2, axis=1) if shifted else SHARES
    feed(found, windows(shares, 1, 100)[0])
    assert found.slows == (slows and shifted)
    assert ('; the rate is at the floor (shift.slows)' in found.warning) == (slows and shifted)


# What cannot be told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('counts', 'thresholds', 'why'),
    [
        ((), (0.8, 0.8), 'the model file holds no calibration counts'),
        (COUNTS, (0.8, 0.7), 'other thresholds'),
        (((100,) + (0,) * 9, (0,) * 10, (0,) * 10), (0.8, 0.8), 'too small for this model'),
    ],
)
def test_nothing_is_told_without_a_reference(
    counts: tuple[tuple[int, ...], ...], thresholds: tuple[float, ...], why: str
) -> None:
    metadata = replace(METADATA, calibration_counts=counts)
    found = ShiftMonitor(ShiftSettings(window=10, every_s=0, slows=True), metadata, thresholds)
    for _ in range(20):
        found.answer(2, 0.25, 0.0)
    assert found.state.startswith('not tested: ') and why in found.state
    assert found.last is None and not found.slows


def test_thresholds_are_compared_as_the_network_does() -> None:
    as_float32 = [float(np.float32(0.8))] * 2
    assert ShiftMonitor(ShiftSettings(), METADATA, as_float32).why_not == ''


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('window', 9),
        ('window', 50.0),
        ('every_s', -1.0),
        ('every_s', math.nan),
        ('every_s', math.inf),
        ('false_alarm', 0.0),
        ('false_alarm', 1.0),
        ('false_alarm', math.nan),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(EevitError, match=rf"'shift\.{name}' must be .* Got "):
        ShiftSettings(**{name: value})  # type: ignore[arg-type]
