"""The bound on what early exits cost: it holds as often as it says; a wrong one is found out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from model_export.calibration.risk import Losses, accuracy_gap, certify, images_needed, is_below
from model_export.errors import ModelExportError

EPSILON, DELTA, DRAWS, IMAGES = 0.02, 0.1, 600, 400
SLACK = 3 * np.sqrt(DELTA * (1 - DELTA) / DRAWS)  # of a binomial share
LOST = (0.0, 0.008, 0.015, 0.021, 0.03)  # accuracy lost at each vector of the family, in truth
FAMILY = [(value,) for value in (0.8, 0.6, 0.4, 0.2, 0.0)]


def draw(
    rng: np.random.Generator, *, gained: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Measure and rightness (2, N) in a world where the family loses `LOST`.

    The images that leave at vector k but not before have a measure in its own band; `gained` of all
    images are answered rightly by the early exit alone, and as many more are lost besides.
    """
    steps = np.diff(LOST, prepend=0.0)
    band = rng.integers(0, 5, IMAGES)
    measure = 0.9 - 0.2 * band
    lost = rng.random(IMAGES) < (steps[band] + gained / 5) * 5
    won = ~lost & (rng.random(IMAGES) < gained / (1 - (steps[band] + gained / 5) * 5))
    right = np.stack([~lost, ~won])
    return np.stack([measure, measure]).astype(np.float32), right


def share_of_broken_bounds(test: object, gained: float) -> float:
    rng = np.random.default_rng(3)
    broken = 0
    for _ in range(DRAWS):
        measure, right = draw(rng, gained=gained)
        passed = certify(measure, right, FAMILY, EPSILON, DELTA, test=test)  # type: ignore[arg-type]
        broken += passed > 3  # from the fourth on, more than epsilon is lost
    return broken / DRAWS


@pytest.mark.parametrize('gained', [0.0, 0.03])
def test_the_bound_is_broken_no_more_often_than_stated(gained: float) -> None:
    assert share_of_broken_bounds(is_below, gained) <= DELTA + SLACK


@pytest.mark.parametrize('gained', [0.0, 0.03])
def test_the_simulation_finds_out_a_bound_that_is_none(gained: float) -> None:
    def mean_is_below(losses: Losses, epsilon: float, delta: float) -> bool:
        return bool(losses.mean() < epsilon)

    assert share_of_broken_bounds(mean_is_below, gained) > DELTA + SLACK


def test_a_single_test_at_the_bound_says_yes_no_more_often_than_delta() -> None:
    """The hardest case: the mean is epsilon itself, the order is random, every delta."""
    rng = np.random.default_rng(4)
    for delta in (0.05, 0.3):
        yes = 0
        for _ in range(800):
            losses = rng.choice([1, 0, -1], 300, p=[0.07, 0.88, 0.05]).astype(np.int8)
            yes += is_below(losses, 0.02, delta)
        assert yes / 800 <= delta + 3 * np.sqrt(delta * (1 - delta) / 800)
        assert yes > 0  # else it would pass by never saying yes


def test_enough_images_certify_what_costs_little() -> None:
    rng = np.random.default_rng(5)
    losses = rng.choice([1, 0, -1], 2500, p=[0.03, 0.95, 0.02]).astype(np.int8)  # a mean of 0.01
    assert is_below(losses, 0.03, 0.05)
    assert not is_below(losses, 0.005, 0.05)


def test_certify_stops_at_the_first_that_fails() -> None:
    measure = np.tile(np.linspace(0, 1, 1000, dtype=np.float32), (2, 1))
    right = np.stack([measure[0] > 0.4, np.ones(1000, bool)])
    family = [(0.9,), (0.5,), (0.1,), (0.8,)]  # at 0.1, 300 of 1000 are lost
    assert certify(measure, right, family, 0.02, 0.05) == 2


def test_images_needed_is_where_a_loss_of_nothing_begins_to_pass() -> None:
    for epsilon, delta in ((0.02, 0.05), (0.1, 0.2), (0.005, 0.01)):
        needed = images_needed(epsilon, delta)
        for images, passes in ((needed * 2, True), (needed // 2, False)):
            assert is_below(np.zeros(images, np.int8), epsilon, delta) == passes


def test_the_gap_counts_what_is_lost_against_what_is_gained() -> None:
    right = np.array([[True, True, False, False], [True, False, True, False]])
    assert accuracy_gap(right, np.zeros(4, np.int64)).tolist() == [0, -1, 1, 0]
    assert accuracy_gap(right, np.ones(4, np.int64)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(('epsilon', 'delta'), [(0.0, 0.1), (1.5, 0.1), (0.1, 0.0)])
def test_a_share_out_of_range_is_named(epsilon: float, delta: float) -> None:
    with pytest.raises(ModelExportError, match=r'--(risk|delta) must be a share within \(0, 1\)'):
        certify(np.ones((2, 1), np.float32), np.ones((2, 1), bool), [], epsilon, delta)
