from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.report.summary import summarise, third_of
from test.demo.records_for_tests import record


@given(st.integers(3, 2000))
def test_thirds_are_of_nearly_equal_size_and_in_order(frames: int) -> None:
    thirds = [third_of(index, frames) for index in range(frames)]
    assert thirds == sorted(thirds)
    sizes = [thirds.count(third) for third in range(3)]
    assert max(sizes) - min(sizes) <= 1


def test_figures_by_third() -> None:
    records = [
        record(0),
        record(1),
        record(2, label='pear', exit_layer=12, depth=1.0, adaptive_rate=0.2),
        record(3, exit_layer=8, depth=8 / 12, adaptive_rate=0.6),
        record(4),
        record(5, label='pear'),
    ]
    summary = summarise(records, played=6, layers=12, camera_hz=15.0)
    first, second, third = summary['thirds']
    assert (first['accuracy'], second['accuracy'], third['accuracy']) == (1.0, 0.5, 0.5)
    assert second['rate'] == {'min': 0.2, 'mean': 0.4}
    assert second['mean_exit_layer'] == 10.0
    assert second['exit_histogram'] == {'8': 1, '12': 1}
    assert summary['overall']['exit_histogram'] == {'4': 4, '8': 1, '12': 1}
    assert summary['overall']['accuracy'] == pytest.approx(4 / 6, abs=1e-4)


def test_frames_are_accounted_for() -> None:
    records = [record(0), record(3, drops=2), record(6, drops=3)]
    summary = summarise(records, played=9, layers=12, camera_hz=15.0)
    assert summary['frames_played'] == 9
    assert summary['frames_answered'] == 3
    assert summary['frames_dropped'] == 3
    assert summary['frames_lost'] == 3


def test_latency_is_told_per_exit() -> None:
    records = [record(i, latency_ms=float(i)) for i in range(101)]
    records.append(record(101, exit_layer=12, depth=1.0, latency_ms=500.0))
    latency = summarise(records, played=102, layers=12, camera_hz=15.0)['latency_ms']
    assert latency['per_exit']['4'] == {'count': 101, 'p50': 50.0, 'p99': 99.0}
    assert latency['per_exit']['12'] == {'count': 1, 'p50': 500.0, 'p99': 500.0}
    assert latency['all']['count'] == 102


def test_a_third_without_answers_and_unknown_ages_are_no_error() -> None:
    summary = summarise([record(0, age_ms=None)], played=9, layers=12, camera_hz=15.0)
    assert [third['frames'] for third in summary['thirds']] == [1, 0, 0]
    assert summary['age_ms'] == {'count': 0}
