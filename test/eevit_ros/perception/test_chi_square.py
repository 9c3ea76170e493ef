"""The chi-square test against printed tables and another implementation; pooling by its rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eevit_ros.perception.chi_square import HomogeneityTest, chi_square_survival, pool


def test_a_table_worked_by_hand() -> None:
    # Expected 36.7 and 63.3 of 100, 18.3 and 31.7 of 50: 2.67 * (1/36.7 + ...) = 2.87.
    test = HomogeneityTest(np.array([40, 60]), 50)
    assert test.bins == 2
    statistic = (10 / 3) ** 2 * (3 / 110 + 3 / 190 + 3 / 55 + 3 / 95)
    found = test.p_value(np.array([15, 35]))
    assert found == pytest.approx(chi_square_survival(statistic, 1))


@pytest.mark.parametrize(
    ('degrees', 'p', 'critical'),
    [  # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4
        (1, 0.05, 3.841),
        (1, 0.001, 10.828),
        (2, 0.05, 5.991),
        (3, 0.10, 6.251),
        (4, 0.01, 13.277),
        (5, 0.05, 11.070),
        (9, 0.001, 27.877),
        (10, 0.025, 20.483),
        (25, 0.05, 37.652),
        (100, 0.01, 135.807),
    ],
)
def test_survival_is_that_of_the_printed_tables(degrees: int, p: float, critical: float) -> None:
    assert chi_square_survival(critical, degrees) == pytest.approx(p, rel=2e-3)


def test_survival_is_the_incomplete_gamma_function() -> None:
    torch = pytest.importorskip('torch')
    for degrees in (*range(1, 12), 99, 100):
        x = torch.linspace(0.01, 4.0 * degrees + 20, 60, dtype=torch.float64)
        expected = torch.special.gammaincc(torch.full_like(x, degrees / 2), x / 2)
        found = [chi_square_survival(value, degrees) for value in x.tolist()]
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-7)


@pytest.mark.parametrize('degrees', [0, 1, 2, 9])
def test_survival_at_the_ends(degrees: int) -> None:
    assert chi_square_survival(0.0, degrees) == 1
    assert chi_square_survival(1e5, degrees) == (1 if degrees == 0 else 0)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(any),
    st.integers(10, 1000),
)
def test_pooled_bins_expect_enough_answers(calibration: list[int], window: int) -> None:
    starts = pool(np.array(calibration), window)
    assert starts[0] == 0 and starts == sorted(set(starts))
    expected = np.add.reduceat(calibration, starts) * window / sum(calibration)
    assert len(starts) == 1 or expected.min() >= 5 - 1e-9


def test_bins_that_expect_enough_are_left_alone() -> None:
    assert pool(np.array([50, 50, 100]), 20) == [0, 1, 2]
    assert pool(np.array([96, 2, 2, 100]), 20) == [0, 1]
    assert pool(np.array([100, 98, 1, 1]), 20) == [0, 1]
