"""Where images leave, what that comes to, and which thresholds to choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.exit_policy import choose_thresholds, exits_taken, outcome


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
    result = outcome(right, taken, (1, 2, 3, 4), macs, 380)
    assert result.accuracy >= right[-1].mean() - max_drop - 1e-12
    assert np.array(macs)[taken].mean() <= macs[-1]
    assert sum(result.share) == pytest.approx(1.0)


def test_perfect_confidence_saves_a_lot_and_loses_nothing() -> None:
    right = np.array([[True] * 60 + [False] * 40, [True] * 100])
    confidence = np.where(right, 0.95, 0.4).astype(np.float32)
    thresholds = choose_thresholds(confidence, right, (10, 100), 0.0)
    assert 0.4 <= thresholds[0] < 0.95
    taken = exits_taken(confidence, np.array(thresholds, np.float32))
    result = outcome(right, taken, (3, 12), (10, 100), 90)
    assert result.accuracy == 1.0
    assert result.share == (0.6, 0.4)
    assert result.speedup_layers == pytest.approx(12 / (0.6 * 3 + 0.4 * 12))
    assert result.speedup_macs == pytest.approx(90 / (0.6 * 10 + 0.4 * 100))


def test_a_wrong_drop_is_named() -> None:
    with pytest.raises(EevitError, match=r'max_drop must be in \[0, 1\). Got 50'):
        choose_thresholds(np.ones((2, 1), np.float32), np.ones((2, 1), bool), (1, 2), 50)
