"""Choosing thresholds: the whole trade-off, or the best for a target.

All exits' answers to all images are known, so changing a threshold is arithmetic: `_Search.options`
prices every value for one exit at once, and a search goes from exit to exit until nothing improves.
There are many local optima, so a search starts from the best of many vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats, Floats], Floats]
"""Maps hits and summed cost to a score to minimise; infinite where a limit is broken."""

CANDIDATES = np.round(np.arange(0.30, 1.0, 0.01), 2)
PRICES = np.geomspace(1e-3, 10, 60)
"""Right answers that one pass at full depth is worth, from almost none to more than all."""

TRIED = 5  # best starts that a search continues from


def exits_taken(
    confidence: npt.NDArray[np.float32], thresholds: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """Return each image's exit index (N,): the first exit that is sure enough, else the final one.

    Args:
        confidence: float32 (E + 1, N), or another policy's measure.
        thresholds: float32 (E,); an exit is taken strictly above its threshold.
    """
    leaves = confidence[:-1] > thresholds[:, None]
    leaves = np.vstack([leaves, np.ones((1, confidence.shape[1]), bool)])
    return np.asarray(np.argmax(leaves, axis=0), np.int64)


def choose_thresholds(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    macs_at: Sequence[float],
    max_drop: float,
    *,
    candidates: Sequence[float] = CANDIDATES.tolist(),
    per_exit: bool = True,
) -> tuple[float, ...]:
    """Return the thresholds with the fewest mean MACs whose accuracy drops by at most `max_drop`.

    Args:
        confidence: float32 (E + 1, N), calibrated; or another policy's measure.
        right: bool (E + 1, N).
        macs_at: E + 1 MACs of an image leaving there.
        max_drop: Accuracy that may be lost against the final exit, a share such as 0.005.
        candidates: Thresholds to try, rising; 1 is always tried.
        per_exit: Whether each exit may have its own; else all share one.

    Returns:
        E thresholds.
    """
    return choose_for_drops(
        confidence, right, macs_at, [max_drop], candidates=candidates, per_exit=per_exit
    )[0]


def choose_for_drops(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    macs_at: Sequence[float],
    drops: Sequence[float],
    *,
    candidates: Sequence[float] = CANDIDATES.tolist(),
    per_exit: bool = True,
) -> list[tuple[float, ...]]:
    """Return what `choose_thresholds` does for each of several drops, in little more time."""
    search = _Search(confidence, right, macs_at, (*candidates, 1.0), per_exit)
    chosen = []
    for drop in drops:
        if not 0 <= drop < 1:
            raise EevitError(f'max_drop must be in [0, 1). Got {drop!r}')
        floor = right[-1].sum() - drop * right.shape[1] - 1e-6  # of hits, whole numbers

        def score(hits: Floats, cost: Floats, floor: float = float(floor)) -> Floats:
            return np.where(hits >= floor, cost, np.inf)

        chosen.append(search.vector(search.best(score)))
    return chosen


def choose_within(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    cost_at: Sequence[float],
    limit: float,
    *,
    candidates: Sequence[float] = CANDIDATES.tolist(),
    per_exit: bool = True,
) -> tuple[float, ...]:
    """Return the most accurate thresholds whose mean cost is at most `limit`.

    The cost may be MACs, or the share of runs that are too slow at that exit.

    Args:
        confidence: As for `choose_thresholds`.
        right: bool (E + 1, N).
        cost_at: E + 1 costs of an image leaving there.
        limit: Limit of the mean cost.
        candidates: Thresholds to try, rising; 0 and 1 are always tried.
        per_exit: Whether each exit may have its own; else all share one.

    Raises:
        EevitError: No thresholds keep the limit.
    """
    search = _Search(confidence, right, cost_at, (0.0, *candidates, 1.0), per_exit)
    most = limit * right.shape[1] * (1 + 1e-9) + 1e-12

    def score(hits: Floats, cost: Floats) -> Floats:
        return np.where(cost <= most, -hits, np.inf)

    best = search.best(score)
    if search.totals(best)[1] > most:
        raise EevitError(
            f'no thresholds keep the mean cost at or below {limit:.6g}; the least is '
            f'{search.least():.6g}'
        )
    return search.vector(best)


def front(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    macs_at: Sequence[float],
    *,
    candidates: Sequence[float] = CANDIDATES.tolist(),
    per_exit: bool = True,
) -> list[tuple[float, ...]]:
    """Return the whole trade-off: no vector found is both cheaper and more accurate than these.

    Args:
        confidence: As for `choose_thresholds`.
        right: bool (E + 1, N).
        macs_at: E + 1 MACs of an image leaving there.
        candidates: Thresholds to try, rising; 0 and 1 are always tried.
        per_exit: Whether each exit may have its own; else all share one.

    Returns:
        Vectors of E thresholds, from the most accurate and expensive to the cheapest.
    """
    search = _Search(confidence, right, macs_at, (0.0, *candidates, 1.0), per_exit)
    priced = [(*search.totals(found), found) for found in search.starts]
    kept = []
    most_hits = -1.0
    for hits, _, found in sorted(priced, key=lambda one: (one[1], -one[0])):  # cheapest first
        if hits > most_hits:
            kept.append(found)
            most_hits = hits
    return [search.vector(found) for found in reversed(kept)]


class _Search:
    """Vectors of E thresholds on known images, each threshold an index into `values`."""

    def __init__(
        self,
        confidence: npt.NDArray[np.float32],
        right: npt.NDArray[np.bool_],
        cost_at: Sequence[float],
        values: Sequence[float],
        per_exit: bool,
    ) -> None:
        self._confidence = confidence
        self._right = right.astype(np.float64)
        self._cost = np.array(cost_at, np.float64)
        self._values = values
        self._compared = np.array(values, np.float32)  # as `exits_taken` compares
        self._per_exit = per_exit
        self._exits, self._images = right.shape[0] - 1, np.arange(right.shape[1])
        # An image leaves an exit at the values below this index.
        self._below = np.searchsorted(self._compared, confidence[:-1], side='left')

    def vector(self, found: npt.NDArray[np.int64]) -> tuple[float, ...]:
        return tuple(float(self._values[index]) for index in found)

    def totals(self, found: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Return hits and summed cost."""
        taken = exits_taken(self._confidence, self._compared[found])
        return float(self._right[taken, self._images].sum()), float(self._cost[taken].sum())

    def least(self) -> float:
        """Return the least mean cost that one value for all exits reaches."""
        return min(self.totals(found)[1] for found in self._common()) / len(self._images)

    def options(self, found: npt.NDArray[np.int64], exit_index: int) -> tuple[Floats, Floats]:
        """Return hits and summed cost with each of the values at one exit, the others unchanged."""
        otherwise = self._compared[found]
        otherwise[exit_index] = np.inf  # no image leaves there
        taken = exits_taken(self._confidence, otherwise)
        arrives = taken > exit_index
        below, other = self._below[exit_index, arrives], taken[arrives]
        images = self._images[arrives]
        gain = self._right[exit_index, images] - self._right[other, images]
        saving = self._cost[exit_index] - self._cost[other]
        hits, cost = self._right[taken, self._images].sum(), self._cost[taken].sum()
        return hits + self._leaving(below, gain), cost + self._leaving(below, saving)

    def _leaving(self, below: npt.NDArray[np.int64], change: Floats) -> Floats:
        """Return, by value, the summed change of the images that leave at it."""
        by_index = np.bincount(below, weights=change, minlength=len(self._values) + 1)
        return np.asarray(by_index[::-1].cumsum()[::-1][1:], np.float64)

    def descend(self, found: npt.NDArray[np.int64], score: Score) -> npt.NDArray[np.int64]:
        """Improve one threshold at a time until nothing changes."""
        found = found.copy()
        changed = self._per_exit
        while changed:
            changed = False
            for exit_index in range(self._exits):
                scores = score(*self.options(found, exit_index))
                best = int(scores.argmin())
                # By more than rounding, as each exit sums in another order.
                if scores[best] < scores[found[exit_index]] - 1e-9 * abs(scores[best]):
                    found[exit_index] = best
                    changed = True
        return found

    @cached_property
    def starts(self) -> list[npt.NDArray[np.int64]]:
        """One value for all exits, and the best vector at every price of a MAC."""
        found = self._common()
        if not self._per_exit:
            return found
        totals = np.array([self.totals(one) for one in found])
        most = self._cost.max() or 1.0  # a share of slow runs may be 0 everywhere
        # Up and down: a vector found at one price is a start for the others.
        for price in (*PRICES / most, *PRICES[::-1] / most):

            def score(hits: Floats, cost: Floats, price: float = float(price)) -> Floats:
                return np.asarray(price * cost - hits)

            start = found[int(score(totals[:, 0], totals[:, 1]).argmin())]
            better = self.descend(start, score)
            if not np.array_equal(start, better):
                found.append(better)
                totals = np.vstack([totals, self.totals(better)])
        return found

    def best(self, score: Score) -> npt.NDArray[np.int64]:
        """Return the vector with the lowest `score` that is found from the best starts."""

        def one(found: npt.NDArray[np.int64]) -> float:
            hits, cost = self.totals(found)
            return float(score(np.array(hits), np.array(cost)))

        tried = sorted(self.starts, key=one)[:TRIED]
        return min(
            (self.descend(start, score) for start in tried if one(start) < np.inf),
            key=one,
            default=tried[0],
        )

    def _common(self) -> list[npt.NDArray[np.int64]]:
        return [np.full(self._exits, index, np.int64) for index in range(len(self._values))]
