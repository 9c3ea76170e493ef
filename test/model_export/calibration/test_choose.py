"""Thresholds chosen on few images keep elsewhere what was asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eevit_ros.policies import STATELESS
from eevit_ros.policies.operating_point import ExitMeasures
from eevit_ros.policies.threshold_search import choose_thresholds
from model_export.calibration.choose import CalibrationSet, Target, choose
from model_export.calibration.held_out import halves
from model_export.data.groups import Groups

ASKED = 0.01
EXITS = 3
IMAGES, ALL = 150, 4000
SEEDS = range(5)


def population(seed: int) -> CalibrationSet:
    """Images of every hardness: later exits are right more often, confidence is a noisy guess."""
    rng = np.random.default_rng(seed)
    images = ALL
    depth = np.arange(EXITS + 1)[:, None] / EXITS
    chance = 1 - rng.uniform(size=images) * (0.75 - 0.55 * depth)
    right = rng.uniform(size=chance.shape) < chance
    sure = np.clip(chance + rng.normal(0, 0.12, chance.shape), 0.05, 0.999).astype(np.float32)
    measures = ExitMeasures(sure, sure, np.where(right, 0, 1))
    labels, costs = np.zeros(images, np.int64), tuple(range(1, EXITS + 2))
    return CalibrationSet(STATELESS['softmax'](), measures, labels, costs, costs, EXITS + 1)


def lost_on(others: CalibrationSet, thresholds: tuple[float, ...]) -> float:
    return float(others.right[-1].mean()) - others.operating_point(thresholds).accuracy


def test_what_was_asked_for_is_lost_on_other_images() -> None:
    lost, best_here, faster = [], [], []
    for seed in SEEDS:
        known = population(seed)
        few, others = (known.subset(np.arange(*ends)) for ends in ((0, IMAGES), (IMAGES, ALL)))
        chosen = choose(few, Target(max_drop=ASKED))
        lost.append(lost_on(others, chosen))
        faster.append(others.operating_point(chosen).speedup_macs)
        here = choose_thresholds(few.measures.measure, few.right, few.macs, ASKED)
        best_here.append(lost_on(others, here))
    assert np.mean(best_here) > 3 * ASKED
    assert np.mean(lost) < 2 * ASKED
    assert np.mean(faster) > 1


@pytest.mark.parametrize('scenes', [2, 3, 40])
def test_pictures_of_one_scene_are_in_one_fold(scenes: int) -> None:
    groups = np.random.default_rng(0).integers(0, scenes, IMAGES).astype(str)
    known = replace(population(0).subset(np.arange(IMAGES)), groups=groups)
    tested = []
    for rest, fold in known.without_each_fold():
        assert rest.groups is not None and fold.groups is not None
        assert not set(rest.groups) & set(fold.groups)
        assert len(rest.labels) + len(fold.labels) == IMAGES
        tested += fold.groups.tolist()
    assert sorted(tested) == sorted(groups)


@pytest.mark.parametrize(('images', 'groups'), [(1, None), (50, np.array(['one'] * 50))])
def test_what_cannot_be_tested_runs_to_full_depth(images: int, groups: Groups | None) -> None:
    known = replace(population(0).subset(np.arange(images)), groups=groups)
    assert choose(known, Target(max_drop=ASKED)) == (1.0,) * EXITS


@given(groups=st.lists(st.integers(0, 9), min_size=2, max_size=60).map(np.array))
def test_pictures_of_one_scene_are_in_one_half(groups: np.ndarray) -> None:
    assume(len(set(groups)) > 1)
    first, second = halves(len(groups), groups.astype(str))
    assert len(first) and len(second)
    assert not set(groups[first]) & set(groups[second])
    assert sorted([*first, *second]) == list(range(len(groups)))
