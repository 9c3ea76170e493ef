"""Policies that leave when neighbouring exits agree.

Both have one threshold for all exits, as in their papers.

References:
    Zhou et al., BERT Loses Patience (PABEE), NeurIPS 2020.
    Bajpai and Hanawal, BEEM, ICLR 2025, arXiv 2502.00745.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.policies.base import ExitReading, Policy, Probabilities


class Patience(Policy):
    """Leaves when enough exits in a row gave the same answer.

    The measure is their number, this exit included, divided by E + 1. PABEE's patience of t is
    t + 1 equal answers in a row.
    """

    per_exit = False

    def __init__(self, exits: int) -> None:
        """Make a policy for a model with `exits` early exits."""
        self._exits = exits
        self.candidates = tuple(self.threshold(same) for same in range(1, exits + 1))
        self.start()

    def threshold(self, same: int) -> float:
        """Return the threshold that lets an image leave at the `same`-th equal answer in a row."""
        return (same - 0.5) / (self._exits + 1)

    def start(self) -> None:
        """Forget the answers."""
        self._answer: npt.NDArray[np.int64] | None = None
        self._count: npt.NDArray[np.int64] | int = 0

    def read(self, probabilities: Probabilities) -> ExitReading:
        """Count on; start again for images whose answer has changed."""
        answer = probabilities.argmax(axis=-1)
        same = np.zeros(len(answer), bool) if self._answer is None else answer == self._answer
        self._count = np.where(same, self._count, 0) + 1
        self._answer = answer
        measure = np.minimum(self._count / (self._exits + 1), 1)
        return ExitReading(measure.astype(np.float32), probabilities)


class Consensus(Policy):
    """Leaves when the exits that agree are together sure enough (BEEM).

    The score is S_i = S_{i-1} + w_i C_i while the answer stays that of the exit before, and
    S_i = w_i C_i where it changes; C_i is the largest probability and w_i the weight of exit i: its
    held-out accuracy (BEEM-A), or what it costs (BEEM-C). Here S_i is divided by the sum of the
    early exits' weights, so that a threshold means the same for any number of exits.
    """

    per_exit = False

    def __init__(self, weights: Sequence[float]) -> None:
        """Make a policy with these weights.

        Args:
            weights: E + 1 positive weights, the final exit's last.

        Raises:
            EevitError: There are fewer than two, or one is not positive.
        """
        if len(weights) < 2 or not all(weight > 0 for weight in weights):
            raise EevitError(f'consensus needs a positive weight for every exit. Got {weights!r}')
        self._weights = np.array(weights, np.float32)
        self._total = self._weights[:-1].sum()
        self.start()

    def start(self) -> None:
        """Forget answers and scores."""
        self._answer: npt.NDArray[np.int64] | None = None
        self._score: npt.NDArray[np.float32] | float = 0.0
        self._seen = 0

    def read(self, probabilities: Probabilities) -> ExitReading:
        """Add this exit's weighted confidence; start again for images whose answer has changed."""
        answer = probabilities.argmax(axis=-1)
        same = np.zeros(len(answer), bool) if self._answer is None else answer == self._answer
        added = self._weights[self._seen] * probabilities.max(axis=-1)
        self._score = np.where(same, self._score, 0) + added
        self._answer = answer
        self._seen += 1
        return ExitReading(
            np.minimum(self._score / self._total, 1).astype(np.float32), probabilities
        )
