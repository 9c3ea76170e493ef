"""The calls on a GPU: a step costs only itself, and a training fits its time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.gpu.graphs import targets
from benchmarks.gpu.steps import MissingError, Outcome, Steps
from benchmarks.gpu.training import fitted
from benchmarks.report_file import Table, read_report
from harness.paths import ROOT
from model_export.recipe.recipe import load_recipe

RECIPE = load_recipe(ROOT / 'benchmarks' / 'gpu' / 'train_demo.yaml')
IMAGES = 45_000


def lacking() -> Outcome:
    raise MissingError('no card')


def failing() -> Outcome:
    raise ValueError('two\nlines')


def endless() -> Outcome:
    time.sleep(60)
    raise AssertionError


def mistaken() -> Outcome:
    return Outcome([], [], 'too far off')


@pytest.mark.parametrize(
    ('step', 'said', 'failed'),
    [
        (lacking, 'not measured: no card', False),
        (failing, 'failed: two lines', True),
        (mistaken, 'wrong: too far off', True),
    ],
)
def test_a_step_that_fails_costs_only_itself(
    tmp_path: Path, step: Callable[[], Outcome], said: str, failed: bool
) -> None:
    table = Table('Found', ['a'], [[1]])
    steps = Steps('Call', tmp_path / 'call', minutes=5, began=time.monotonic())
    steps.run('first', step)
    steps.run('second', lambda: Outcome([table], ['a note']))
    report = read_report(tmp_path / 'call.json')
    assert [row[:2] for row in report.tables[0].rows] == [['first', said], ['second', 'done']]
    assert report.tables[1] == table and report.notes == ['a note']
    assert steps.failed == failed
    assert 'a note' in (tmp_path / 'call.md').read_text()


def test_a_call_ends_in_time(tmp_path: Path) -> None:
    steps = Steps('Call', tmp_path / 'call', minutes=0.17, began=time.monotonic())
    steps.run('first', endless)
    steps.run('second', endless)
    rows = read_report(tmp_path / 'call.json').tables[0].rows
    assert [row[1] for row in rows] == ['the time was up'] * 2 and steps.failed


@given(
    st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3),
    st.floats(0.1, 10.0),
    st.floats(60.0, 100_000.0),
)
def test_a_training_is_shortened_to_its_time_and_never_lengthened(
    step_s: list[float], score_s: float, available_s: float
) -> None:
    recipe = fitted(RECIPE, IMAGES, step_s, score_s, available_s)
    both = zip(recipe.stages, RECIPE.stages, strict=True)
    shares = [one.epochs / whole.epochs for one, whole in both]
    assert max(shares) <= 1.0 and max(shares) - min(shares) < 0.01
    takes_s = sum(
        one.epochs * (IMAGES // one.batch_size * each + score_s) + score_s
        for one, each in zip(recipe.stages, step_s, strict=True)
    )
    longest_s = max(step_s) * max(IMAGES // one.batch_size for one in RECIPE.stages)
    assert takes_s <= available_s + 0.01 * (longest_s + score_s)  # epochs are rounded
    if min(shares) < 0.99:
        assert takes_s >= 0.9 * available_s - longest_s
    assert dataclasses.replace(recipe, stages=RECIPE.stages) == RECIPE


def test_no_time_at_all_is_said() -> None:
    with pytest.raises(MissingError):
        fitted(RECIPE, IMAGES, [1.0] * 3, 1.0, 2.0)


def test_the_targets_are_ratios_at_the_thesis_mix() -> None:
    def rounds(ms: float) -> list[dict[str, dict[int, float]]]:
        return [{'ms': dict.fromkeys(range(4, 13), ms * factor)} for factor in (1.0, 3.0)]

    found = {'peer': rounds(10.0), 'graphs fp16': rounds(1.5), 'graphs fp32': rounds(4.0)}
    rows = {str(row[0]): row for row in targets(found).rows}
    assert rows['float16, the peer as it comes'][2:] == pytest.approx([0.15, 0.15, 0.15, 'yes'])
    assert rows['float32 both'][2:] == pytest.approx([0.4, 0.4, 0.4, 'no'])
    assert rows['float16 both'][2:] == [None, None, None, 'not measured']
