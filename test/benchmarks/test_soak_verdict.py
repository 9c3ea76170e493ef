from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak_verdict import (
    FEWEST,
    FLAT,
    GROWS,
    UNDECIDED,
    count_verdict,
    quantile,
    slope_of,
)

slopes = st.floats(-1e3, 1e3)
sizes = st.integers(FEWEST, 200)


def line(
    n: int, slope: float, noise: float = 0.0, seed: int = 0
) -> tuple[list[float], list[float]]:
    rng = random.Random(seed)
    times = [i / n for i in range(n)]
    return times, [500 + slope * t + rng.gauss(0, noise) for t in times]


@given(sizes, slopes)
def test_a_line_has_its_own_slope_and_no_doubt(n: int, slope: float) -> None:
    found = slope_of(*line(n, slope))
    assert found.value == pytest.approx(slope, abs=1e-6)
    assert found.high - found.low < 1e-6


@given(sizes, slopes, st.floats(0.1, 50), st.integers(0, 2**32))
def test_the_slope_lies_between_its_bounds_whatever_is_added(
    n: int, slope: float, noise: float, seed: int
) -> None:
    times, values = line(n, 0.0, noise, seed)
    flat = slope_of(times, values)
    steep = slope_of(times, [v + slope * t for t, v in zip(times, values, strict=True)])
    assert flat.low < flat.value < flat.high
    for name in ('low', 'value', 'high'):
        assert getattr(steep, name) == pytest.approx(getattr(flat, name) + slope, abs=1e-6)


def test_each_bound_holds_as_often_as_it_says() -> None:
    slopes = [slope_of(*line(8, 3.0, 1.0, seed)) for seed in range(2000)]
    for share in (
        sum(slope.low <= 3 for slope in slopes) / 2000,
        sum(slope.high >= 3 for slope in slopes) / 2000,
    ):
        assert share == pytest.approx(0.95, abs=0.02)


@given(st.floats(20, 1e3), st.integers(0, 2**32))
def test_a_leak_is_never_called_flat_nor_a_flat_line_a_leak(leak: float, seed: int) -> None:
    times, values = line(100, leak, 0.1, seed)
    assert slope_of(times, values).verdict(10.0) == GROWS
    times, values = line(100, 0.0, 0.1, seed)
    assert slope_of(times, values).verdict(10.0) == FLAT


@given(st.integers(0, FEWEST - 1))
def test_few_points_decide_nothing(n: int) -> None:
    assert slope_of(*line(n, 1e6) if n else ([], [])).verdict(10.0) == UNDECIDED
    assert count_verdict(list(range(min(n, 4)))) == UNDECIDED


def test_much_noise_decides_nothing() -> None:
    assert slope_of(*line(10, 12.0, 50.0)).verdict(10.0) == UNDECIDED


@given(st.lists(st.integers(10, 20), min_size=6, max_size=60), st.data())
def test_counts_that_come_back_are_flat_and_one_more_each_time_is_not(
    counts: list[int], data: st.DataObject
) -> None:
    least = data.draw(st.integers(len(counts) // 2, len(counts) - 1))
    back = [*counts]
    back[least] = min(counts)
    assert count_verdict(back) == FLAT
    assert count_verdict([10 + i for i in range(len(counts))]) == GROWS


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_is_a_value_that_enough_others_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert math.isnan(quantile([], share))
