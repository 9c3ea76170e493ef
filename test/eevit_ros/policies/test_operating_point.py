"""Where images leave, what that comes to, and which thresholds to choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.policies.operating_point import operating_point
from eevit_ros.policies.threshold_search import (
    CANDIDATES,
    choose_thresholds,
    choose_within,
    exits_taken,
    front,
)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), exits=st.integers(1, 6), images=st.integers(1, 50))
def test_exits_taken_is_the_first_above_its_threshold(seed: int, exits: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 11, (exits + 1, images)).astype(np.float32) / 10
    thresholds = rng.integers(0, 11, exits).astype(np.float32) / 10
    taken = exits_taken(confidence, thresholds)
    for n in range(images):
        above = [e for e in range(exits) if confidence[e, n] > thresholds[e]]
        assert taken[n] == (above[0] if above else exits)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000), max_drop=st.sampled_from([0.0, 0.01, 0.05]))
def test_thresholds_keep_the_accuracy_and_never_cost_more(seed: int, max_drop: float) -> None:
    rng = np.random.default_rng(seed)
    right = rng.random((4, 300)) < np.array([[0.5], [0.6], [0.7], [0.8]])
    confidence = np.clip(0.3 * right + rng.random((4, 300)) * 0.7, 0, 1).astype(np.float32)
    macs = (100, 210, 330, 400)
    thresholds = choose_thresholds(confidence, right, macs, max_drop)
    taken = exits_taken(confidence, np.array(thresholds, np.float32))
    result = operating_point(right, taken, (1, 2, 3, 4), macs, 380)
    assert result.accuracy >= right[-1].mean() - max_drop - 1e-12
    assert np.array(macs)[taken].mean() <= macs[-1]
    assert sum(result.share) == pytest.approx(1.0)


def test_perfect_confidence_saves_a_lot_and_loses_nothing() -> None:
    right = np.array([[True] * 60 + [False] * 40, [True] * 100])
    confidence = np.where(right, 0.95, 0.4).astype(np.float32)
    thresholds = choose_thresholds(confidence, right, (10, 100), 0.0)
    assert 0.4 <= thresholds[0] < 0.95
    taken = exits_taken(confidence, np.array(thresholds, np.float32))
    result = operating_point(right, taken, (3, 12), (10, 100), 90)
    assert result.accuracy == 1.0
    assert result.share == (0.6, 0.4)
    assert result.speedup_layers == pytest.approx(12 / (0.6 * 3 + 0.4 * 12))
    assert result.speedup_macs == pytest.approx(90 / (0.6 * 10 + 0.4 * 100))


def test_a_wrong_drop_is_named() -> None:
    with pytest.raises(EevitError, match=r'max_drop must be in \[0, 1\). Got 50'):
        choose_thresholds(np.ones((2, 1), np.float32), np.ones((2, 1), bool), (1, 2), 50)


def hard_and_easy(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and rightness (4, 300) of exits that get better and know roughly when."""
    rng = np.random.default_rng(seed)
    right = rng.random(300) * 0.6 + rng.random((4, 300)) * 0.4 < [[0.4], [0.5], [0.6], [0.7]]
    confidence = np.clip(0.4 * right + rng.random((4, 300)) * 0.6, 0, 1).astype(np.float32)
    return confidence, right


MACS = (100, 210, 330, 400)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10_000), limit=st.sampled_from([100, 150, 250, 400]))
def test_the_most_accurate_within_a_cost_keeps_the_cost(seed: int, limit: float) -> None:
    confidence, right = hard_and_easy(seed)
    thresholds = choose_within(confidence, right, MACS, limit)
    taken = exits_taken(confidence, np.array(thresholds, np.float32))
    assert np.array(MACS)[taken].mean() <= limit
    accuracy = right[taken, np.arange(300)].mean()
    for value in (0.0, *CANDIDATES[::10], 1.0):  # no common one within the cost is better
        common = exits_taken(confidence, np.full(3, value, np.float32))
        if np.array(MACS)[common].mean() <= limit:
            assert accuracy >= right[common, np.arange(300)].mean()


def test_a_cost_that_cannot_be_kept_says_what_can() -> None:
    with pytest.raises(EevitError, match='at or below 99; the least is 100'):
        choose_within(*hard_and_easy(0), MACS, 99)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10_000), per_exit=st.booleans())
def test_the_front_rises_in_cost_and_accuracy_together(seed: int, per_exit: bool) -> None:
    confidence, right = hard_and_easy(seed)
    points = []
    for thresholds in front(confidence, right, MACS, per_exit=per_exit):
        assert per_exit or len(set(thresholds)) == 1
        taken = exits_taken(confidence, np.array(thresholds, np.float32))
        points.append((np.array(MACS)[taken].mean(), right[taken, np.arange(300)].mean()))
    costs, accuracies = zip(*points, strict=True)
    assert list(costs) == sorted(costs, reverse=True) and costs[-1] == 100
    assert list(accuracies) == sorted(accuracies, reverse=True)
    assert accuracies[0] >= right[-1].mean()


def test_a_search_by_exit_finds_what_one_value_for_all_cannot() -> None:
    """The second exit's confidence means nothing: it must be closed, and the first used."""
    rng = np.random.default_rng(0)
    right = np.stack([rng.random(400) < 0.5, rng.random(400) < 0.1, np.ones(400, bool)])
    confidence = np.stack([np.where(right[0], 0.9, 0.4), rng.random(400), np.ones(400)])
    thresholds = choose_thresholds(confidence.astype(np.float32), right, (10, 20, 30), 0.0)
    assert thresholds[0] < 0.9 and thresholds[1] == 1.0
