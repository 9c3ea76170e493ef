"""The figures of a replay, against a table small enough to add up by hand."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eevit_ros.replay.results.frame_table import ANSWERED, BAD, DROPPED, FrameRow
from eevit_ros.replay.results.summary import metric_names, summarise
from test.eevit_ros.replay.made_frames import drive, facts, frame_row, limits_of, table, unanswered

MODEL = {'layers': 4, 'exit_layers': [1, 2], 'backbone_macs': 3600}
FACTS = {'model': MODEL}


def hand_made() -> list[FrameRow]:
    """Six frames of one recording, two of another; five of the eight have an answer."""

    def answer(index: int, label: str, layer: int, **cells: Any) -> FrameRow:
        return frame_row(
            index, label=label, exit_layer=layer, depth=layer / 4, macs=1000 * layer, **cells
        )

    return [
        answer(0, 'cat', 1, truth='cat', reference='cat', confidence=0.9, latency_ms=10.0),
        answer(1, 'dog', 2, truth='cat', reference='cat', confidence=0.7, latency_ms=20.0),
        unanswered(frame_row(2, truth='cat'), DROPPED),
        unanswered(frame_row(3), BAD, 'it is blind and unsure'),
        answer(4, 'dog', 4, truth='dog', reference='dog', latency_ms=40.0, notes='unsure shifted'),
        answer(5, 'cat', 4, reference='dog', confidence=0.2, latency_ms=50.0, notes='blind unsure'),
        answer(
            0, 'fox', 1, bag='run_2', truth='dog', reference='fox', latency_ms=30.0, age_ms=None,
            adaptive_rate=0.25, notes='frozen',
        ),
        unanswered(frame_row(15, bag='run_2'), DROPPED),
    ]  # fmt: skip


LIMITS = pd.DataFrame(
    {
        'bag': ['run_1', 'run_1', 'run_2'],
        'time_ns': [1, 2, 3],
        'adaptive_rate': [0.2, 0.5, 0.8],
        'speed_limit_percent': [20.0, 30.0, 70.0],
    }
)


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    return summarise(table(tmp_path, hand_made()), LIMITS, FACTS)


def test_the_metrics_are_those_of_the_table(summary: dict[str, Any]) -> None:
    latencies = [10.0, 20.0, 40.0, 50.0, 30.0]
    assert _known(summary) == pytest.approx(
        {
            'frames': 8,
            'answered': 5,
            'dropped': 2,
            'bad': 1,
            'labelled': 4,  # of those that have an answer
            'accuracy': 2 / 4,
            'agreement': 3 / 5,
            'confidence_mean': (0.9 + 0.7 + 0.9 + 0.2 + 0.9) / 5,
            'exit_layer_mean': (1 + 2 + 4 + 4 + 1) / 5,
            'final_exit_share': 2 / 5,
            'unsure_share': 2 / 5,
            'blind': 1,
            'frozen': 1,
            'shifted': 1,
            'latency_p50_ms': 30.0,
            'latency_p99_ms': np.percentile(latencies, 99),
            'latency_max_ms': 50.0,
            'age_p50_ms': 22.0,
            'age_p99_ms': 22.0,
            'adaptive_rate_min': 0.2,
            'adaptive_rate_mean': 0.5,
            'speed_limit_min_percent': 20.0,
            'speed_limit_mean_percent': 40.0,
            'speedup_layers': 4 / (12 / 5),
            'speedup_macs': 3600 / (12_000 / 5),
            'seconds': 5 / 15 + 1.0,
        },
        abs=1e-9,
    )


def test_the_lowest_rate_and_limit_may_be_a_frames_own(tmp_path: Path) -> None:
    rows = hand_made()
    rows[4] = replace(rows[4], adaptive_rate=0.1, speed_limit_percent=10.0)
    metrics = summarise(table(tmp_path, rows), LIMITS, FACTS)['metrics']
    assert (metrics['adaptive_rate_min'], metrics['speed_limit_min_percent']) == (0.1, 10.0)


def test_every_exit_has_a_row(summary: dict[str, Any]) -> None:
    one, two, four = summary['exits']
    assert (one['layer'], one['frames'], one['share'], one['accuracy']) == (1, 2, 0.4, 0.5)
    assert (two['layer'], two['frames'], two['share'], two['accuracy']) == (2, 1, 0.2, 0.0)
    assert (four['layer'], four['frames'], four['share'], four['accuracy']) == (4, 2, 0.4, 1.0)
    assert (one['latency_p50_ms'], two['latency_p50_ms'], four['latency_p50_ms']) == (20, 20, 45)
    assert one['latency_p99_ms'] == pytest.approx(np.percentile([10, 30], 99))


def test_an_exit_that_nobody_took_has_a_row_without_figures(tmp_path: Path) -> None:
    rows = [frame_row(0, exit_layer=1)]
    _, two, _ = summarise(table(tmp_path, rows), LIMITS, FACTS)['exits']
    assert (two['frames'], two['share']) == (0, 0.0)
    assert (two['accuracy'], two['latency_p50_ms'], two['latency_p99_ms']) == (None, None, None)


def test_classes_are_the_true_ones_with_what_they_are_taken_for(summary: dict[str, Any]) -> None:
    cat, dog = summary['classes']
    assert (cat['label'], cat['frames'], cat['accuracy'], cat['most_confused']) == (
        'cat', 2, 0.5, 'dog',
    )  # fmt: skip
    assert (dog['label'], dog['frames'], dog['accuracy'], dog['most_confused']) == (
        'dog', 2, 0.5, 'fox',
    )  # fmt: skip
    assert (cat['exit_layer_mean'], dog['exit_layer_mean']) == (1.5, 2.5)


def test_without_truth_classes_are_the_answered_ones(tmp_path: Path) -> None:
    rows = [frame_row(i, label=label) for i, label in enumerate(['fox', 'cat', 'fox'])]
    classes = summarise(table(tmp_path, rows), LIMITS, FACTS)['classes']
    assert [(c['label'], c['frames'], c['accuracy']) for c in classes] == [
        ('cat', 1, None),
        ('fox', 2, None),
    ]


def test_every_recording_has_a_row_in_the_order_given(summary: dict[str, Any]) -> None:
    one, two = summary['sources']
    assert one == pytest.approx(
        {
            'name': 'run_1', 'frames': 6, 'answered': 4, 'dropped': 1, 'bad': 1,
            'accuracy': 2 / 3, 'agreement': 2 / 4, 'exit_layer_mean': 11 / 4,
            'adaptive_rate_mean': 0.35,
        }
    )  # fmt: skip
    assert two == pytest.approx(
        {
            'name': 'run_2', 'frames': 2, 'answered': 1, 'dropped': 1, 'bad': 0,
            'accuracy': 0.0, 'agreement': 1.0, 'exit_layer_mean': 1.0, 'adaptive_rate_mean': 0.8,
        }
    )  # fmt: skip


def test_a_drive_is_summed_up_as_plain_python_does_it(tmp_path: Path) -> None:
    rows = drive(300, reference=True)
    metrics = summarise(table(tmp_path, rows), limits_of(rows), facts())['metrics']
    answered = [row for row in rows if row.status == ANSWERED]
    assert metrics['accuracy'] == _share(answered, 'truth')
    assert metrics['agreement'] == _share(answered, 'reference')
    for name, column in (('confidence_mean', 'confidence'), ('exit_layer_mean', 'exit_layer')):
        assert metrics[name] == pytest.approx(
            statistics.fmean(getattr(row, column) for row in answered), rel=1e-15
        )
    latencies = sorted(row.latency_ms for row in answered if row.latency_ms is not None)
    assert metrics['latency_max_ms'] == latencies[-1]
    assert metrics['latency_p50_ms'] == pytest.approx(statistics.median(latencies))
    assert metrics['dropped'] == sum(row.status == DROPPED for row in rows) > 0
    assert metrics['bad'] == sum(row.status == BAD for row in rows) > 0


def test_metric_names_are_those_of_a_replay(summary: dict[str, Any]) -> None:
    names = metric_names()
    assert names[: len(summary['metrics'])] == list(summary['metrics'])
    assert all('region' in name for name in names[len(summary['metrics']) :])


def test_nothing_at_all_has_no_figures(tmp_path: Path) -> None:
    summary = summarise(table(tmp_path, []), LIMITS.iloc[:0], FACTS)
    counts = {
        'frames',
        'answered',
        'dropped',
        'bad',
        'labelled',
        'blind',
        'frozen',
        'shifted',
        'seconds',
    }
    for name, value in summary['metrics'].items():
        assert value == (0 if name in counts else None), name
    assert summary['classes'] == summary['sources'] == []
    assert [row['frames'] for row in summary['exits']] == [0, 0, 0]


def test_figures_do_not_depend_on_the_order_of_recordings(tmp_path: Path) -> None:
    drives = [drive(120, bag=f'run_{number}', seed=number) for number in range(3)]
    _same_in_every_order(tmp_path, drives)


def test_not_even_by_rounding(tmp_path: Path) -> None:
    # Added one by one, the small ones vanish in 1, unless they come first.
    shares = (1.0, 1e-16, 1e-16)
    rows = [[frame_row(0, bag=f'run_{i}', confidence=one)] for i, one in enumerate(shares)]
    _same_in_every_order(tmp_path, rows)


def _same_in_every_order(tmp_path: Path, drives: Sequence[Sequence[FrameRow]]) -> None:
    def summary_of(order: Sequence[int]) -> dict[str, Any]:
        rows = [row for number in order for row in drives[number]]
        found = summarise(table(tmp_path, rows), limits_of(rows), facts())
        del found['sources']  # in the order given
        return found

    straight, *others = (summary_of(order) for order in permutations(range(3)))
    assert all(other == straight for other in others)


def test_every_figure_is_a_plain_number(summary: dict[str, Any]) -> None:
    for value in _known(summary).values():
        assert type(value) in (int, float)
        assert math.isfinite(value)


def _known(summary: dict[str, Any]) -> dict[str, Any]:
    """Return all metrics but those that need more than the tables."""
    unknown = {'time_saved', 'time_saved_low', 'time_saved_high'}
    assert all(summary['metrics'][name] is None for name in unknown)
    return {name: value for name, value in summary['metrics'].items() if name not in unknown}


def _share(rows: Sequence[FrameRow], column: str) -> float:
    judged = [row for row in rows if getattr(row, column)]
    return sum(row.label == getattr(row, column) for row in judged) / len(judged)
