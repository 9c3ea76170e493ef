"""The chi-square test of homogeneity: do two sets of counts come from one population?

Neighbouring bins are pooled until a sample is expected to have 5 in each (Cochran). The reference
alone decides how, before any sample is known.

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
    """Compares samples of one size with a reference; the bins of both are ordered.

    Attributes:
        bins: Number of bins after pooling; a test with a single one tells nothing.
    """

    bins: int

    def __init__(self, reference: Counts, size: int) -> None:
        """Pool the bins of `reference`, not all 0, for samples of `size` counts."""
        self._starts = pool(reference, size)
        self._reference = np.add.reduceat(reference, self._starts)
        self.bins = len(self._starts)

    def p_value(self, sample: Counts) -> float:
        """Return the chance of a difference this large or larger if the population is the same."""
        table = np.stack([self._reference, np.add.reduceat(sample, self._starts)])
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        statistic = float(((table - expected) ** 2 / expected).sum())
        return chi_square_survival(statistic, self.bins - 1)


def pool(reference: Counts, size: int) -> list[int]:
    """Return the first bin of each run of neighbours in which a sample is expected to have 5.

    What to expect follows from the shares of the reference; bins left at the end join the last
    run. There is at least one run.
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
    """Return the chance that chi-square with so many degrees of freedom exceeds `statistic`.

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
