"""Temperatures, and what the robot compares its answers with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.model.metadata import CONFIDENCE_BINS
from model_export.calibration.temperatures import TEMPERATURES, count_answers, fit_temperatures


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), exits=st.integers(1, 6), images=st.integers(1, 50))
def test_count_answers_finds_every_image_at_its_exit_and_confidence(
    seed: int, exits: int, images: int
) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random((exits + 1, images), np.float32)
    right = rng.random((exits + 1, images)) < 0.7
    taken = rng.integers(0, exits + 1, images)
    for table, counted in zip(
        count_answers(confidence, right, taken), (np.ones_like(right), ~right), strict=True
    ):
        for exit_index, row in enumerate(table):
            answered = confidence[exit_index, (taken == exit_index) & counted[exit_index]]
            assert list(row) == np.histogram(answered, CONFIDENCE_BINS, (0, 1))[0].tolist()


def test_count_answers_puts_full_confidence_into_the_last_bin() -> None:
    sure, right = np.ones((1, 3), np.float32), np.array([[True, False, True]])
    ((*rest, last),), ((*_, wrong),) = count_answers(sure, right, np.zeros(3, np.int64))
    assert (rest, last, wrong) == ([0] * 9, 3, 1)


@pytest.mark.parametrize('factor', [0.5, 1.0, 3.0])
def test_temperature_undoes_a_known_overconfidence(factor: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 20_000, 5) * 2
    labels = torch.multinomial(logits[0].softmax(-1), 1)[:, 0]
    (temperature,) = fit_temperatures(logits * factor, labels)
    assert temperature == pytest.approx(factor, rel=0.05)


def test_temperatures_stay_bounded_where_every_answer_is_right() -> None:
    labels = torch.arange(30) % 3
    logits = torch.eye(3)[labels][None] * 4
    assert fit_temperatures(logits, labels) == [TEMPERATURES[0]]
    assert fit_temperatures(logits, (labels + 1) % 3) == [TEMPERATURES[1]]
