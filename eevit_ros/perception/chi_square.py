"""The chi-square test of homogeneity: whether a sample of counts is of a reference's population.

Neighbouring bins are pooled until a sample is expected to have 5 in each (Cochran); how is settled
by the reference alone, before any sample is seen.

References:
    Pearson, On the probability that two distributions of frequency are really samples of the same
        population, Biometrika 8, 1911.
    Cochran, Some methods for strengthening the common chi-square tests, Biometrics 10, 1954.
    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5 (the survival
        function).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LEAST_EXPECTED = 5

Counts = npt.NDArray[np.int64]


class HomogeneityTest:
    """Holds samples of one size against a reference; the bins of both are ordered.

    Attributes:
        bins: How many are left after pooling; one can tell nothing.
    """

    bins: int

    def __init__(self, reference: Counts, size: int) -> None:
        """Pool the bins of `reference`, not all 0, for samples of `size` in all."""
        self._starts = pool(reference, size)
        self._reference = np.add.reduceat(reference, self._starts)
        self.bins = len(self._starts)

    def p_value(self, sample: Counts) -> float:
        """The chance of a sample that differs as much or more, if the population is the same."""
        table = np.stack([self._reference, np.add.reduceat(sample, self._starts)])
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        statistic = float(((table - expected) ** 2 / expected).sum())
        return chi_square_survival(statistic, self.bins - 1)


def pool(reference: Counts, size: int) -> list[int]:
    """The first bins of runs of neighbours in which a sample is expected to have 5 or more.

    Expected by the reference's shares; what is left at the end joins the last run. Always one run
    at least.
    """
    expected = reference * size / reference.sum()
    starts, run = [0], 0.0
    for index, here in enumerate(expected):
        if run >= LEAST_EXPECTED and expected[index:].sum() >= LEAST_EXPECTED:
            starts.append(index)
            run = 0.0
        run += here
    return starts


def chi_square_survival(statistic: float, degrees: int) -> float:
    """The chance that chi-square with so many degrees of freedom is above `statistic`.

    Exact for whole degrees: with y = statistic / 2, e^-y (even) or erfc(sqrt y) (odd) plus
    y^a e^-y / Gamma(a + 1) for a = 1, 2, ... (even) or 1/2, 3/2, ... (odd) below degrees / 2.
    """
    y = statistic / 2
    if y <= 0 or degrees == 0:
        return 1.0
    a, survival = (0.5, math.erfc(math.sqrt(y))) if degrees % 2 else (1.0, math.exp(-y))
    while a < degrees / 2:
        survival += math.exp(a * math.log(y) - y - math.lgamma(a + 1))
        a += 1
    return min(survival, 1.0)
