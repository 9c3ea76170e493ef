"""The schedules that benchmarks/exit_scheduling.py plays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.exit_scheduling import Cost, rows_of, schedule

Leaves = npt.NDArray[np.bool_]
SEQUENCES = arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 30)))


def unscheduled(leaves: Leaves) -> npt.NDArray[np.int64]:
    return np.where(leaves.any(axis=0), leaves.argmax(axis=0), len(leaves))


@given(SEQUENCES, st.integers(0, 6), st.integers(1, 10))
def test_no_frame_leaves_where_its_head_refuses_nor_before_its_own_exit(
    leaves: Leaves, margin: int, every: int
) -> None:
    left, first = schedule(leaves, margin, every)
    exits, frames = leaves.shape
    assert all(left[n] == exits or leaves[left[n], n] for n in range(frames))
    assert (left >= unscheduled(leaves)).all()
    assert (left >= first).all()
    assert (left[::every] == unscheduled(leaves)[::every]).all()


@given(SEQUENCES, st.integers(1, 10))
def test_a_margin_of_all_heads_changes_nothing(leaves: Leaves, every: int) -> None:
    left, first = schedule(leaves, len(leaves), every)
    assert (left == unscheduled(leaves)).all()
    assert not first.any()


@given(SEQUENCES, st.data())
def test_none_that_keeps_the_answers_saves_more_than_the_one_that_knows(
    leaves: Leaves, data: st.DataObject
) -> None:
    exits, frames = leaves.shape
    costs = st.lists(st.integers(1, 100), min_size=exits, max_size=exits)
    heads = np.array(data.draw(costs), float)
    until = 100.0 * np.arange(1, exits + 2) + np.append(np.cumsum(heads), heads.sum())
    answers = np.arange(exits + 1)[:, np.newaxis].repeat(frames, axis=1)
    *rows, knowing = rows_of(leaves, answers, np.arange(1, exits + 2), [Cost(until, heads)])
    assert knowing[1] >= 0
    assert knowing[2:] == [0, 0, 0]
    for row in rows:
        if row[2] == 0:
            assert row[1] <= knowing[1] + 1e-9


def test_skipping_a_head_spares_its_cost_alone() -> None:
    cost = Cost(np.array([11.0, 22.0, 32.0]), np.array([1.0, 1.0]))
    left, first = np.array([1, 1, 2]), np.array([0, 1, 2])
    assert cost.spent(left, first) == pytest.approx([22, 21, 30])
