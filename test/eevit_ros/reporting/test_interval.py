"""Intervals of medians and by the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.reporting.interval import Interval, bootstrap, median_interval

VALUES = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=60)


def mean(values):
    return values.mean(-1)


def ratio(above, below):
    return above.sum(-1) / below.sum(-1)


@given(VALUES)
def test_an_interval_holds_its_median(values: list[float]) -> None:
    found = median_interval(values)
    assert found.value == np.median(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


@pytest.mark.parametrize('count', [9, 60])
def test_intervals_hold_the_true_median_19_times_in_20(count: int) -> None:
    rng = np.random.default_rng(0)
    found = [median_interval(rng.exponential(size=count)) for _ in range(2000)]
    held = np.mean([one.low <= np.log(2) <= one.high for one in found])
    assert 0.94 <= held <= 0.998


def test_few_of_many_values_disturbed_do_not_move_a_median() -> None:
    calm = [1.0 + 0.001 * n for n in range(40)]
    found = median_interval([*calm, 50.0, 60.0])
    assert 1.0 < found.low < found.value < found.high < 1.04


@given(VALUES)
def test_a_mean_lies_within_the_values_and_the_same_sample_gives_the_same(values) -> None:
    found = bootstrap(mean, values, resamples=200)
    assert found.value == pytest.approx(np.mean(values))
    assert min(values) * (1 - 1e-9) <= found.low <= found.high <= max(values) * (1 + 1e-9)
    assert bootstrap(mean, values, resamples=200) == found


def test_samples_are_drawn_together() -> None:
    values = np.random.default_rng(1).uniform(1, 9, 30)
    assert bootstrap(ratio, 2 * values, values, resamples=100) == pytest.approx((2, 2, 2))


def test_a_large_sample_is_drawn_in_parts_without_a_seam(monkeypatch) -> None:
    values = np.random.default_rng(2).normal(size=40)
    at_once = bootstrap(mean, values, resamples=300)
    monkeypatch.setattr('eevit_ros.reporting.interval._DRAWN_AT_ONCE', 100)
    assert bootstrap(mean, values, resamples=300) == at_once


def test_bootstrap_intervals_hold_the_true_mean_about_19_times_in_20() -> None:
    rng = np.random.default_rng(3)
    found = [bootstrap(mean, rng.normal(size=40), resamples=400) for _ in range(400)]
    assert 0.9 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.98


def test_an_infinite_statistic_has_ends_that_were_drawn() -> None:
    with np.errstate(divide='ignore', invalid='ignore'):
        found = bootstrap(ratio, [3, 4], [0, 1], resamples=200, nearest=True)
    assert found.high == np.inf and found.value == 7


def test_for_people() -> None:
    assert Interval(0.974, 0.95, 0.991).text('.2f') == '0.97 (0.95 to 0.99)'
