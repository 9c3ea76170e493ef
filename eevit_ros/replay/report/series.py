"""Values over time, thinned out for drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS = 480
WINDOW = 15  # answers

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """Values in those of `BINS` equal bins that hold any, in their order."""

    middles: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers


def bin_edges(end: float) -> Numbers:
    """Return the (BINS + 1,) edges of an axis from 0 to `end`."""
    return np.linspace(0, end, BINS + 1)


def binned(places: Numbers, values: Numbers, end: float) -> Bins:
    """Bin values at places on an axis from 0 to `end`."""
    edges = bin_edges(end)
    bins = np.minimum((places / end * BINS).astype(np.int64), BINS - 1)
    table = pd.Series(values).groupby(bins).agg(['mean', 'min', 'max'])
    columns = (np.asarray(table[name], np.float64) for name in ('mean', 'min', 'max'))
    return Bins(((edges[1:] + edges[:-1]) / 2)[table.index.to_numpy()], *columns)


def running_mean(values: Numbers) -> Numbers:
    """Return the mean of `WINDOW` values around each, of fewer near the ends."""
    if not len(values):
        return values
    ones = np.ones(min(WINDOW, len(values)))
    weights = np.convolve(np.ones(len(values)), ones, 'same')
    return np.asarray(np.convolve(values, ones, 'same') / weights)
