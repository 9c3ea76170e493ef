"""Policies that use only the present exit's probabilities, as the exported graph can.

References:
    Teerapittayanon et al., BranchyNet, ICPR 2016 (entropy).
    Scheffer et al., Active Hidden Markov Models for Information Extraction, IDA 2001 (margin).
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from eevit_ros.policies.base import GRID, TINY, ExitReading, Measure, Policy, Probabilities

NO_LOG_OF_ZERO = 1e-30


class ConfidencePolicy(Policy):
    """A measure of one exit's probabilities, without memory."""

    def read(self, probabilities: Probabilities) -> ExitReading:
        """Measure this exit."""
        measure = np.clip(self.measure(probabilities), TINY, 1)
        return ExitReading(np.asarray(measure, np.float32), probabilities)

    @abstractmethod
    def measure(self, probabilities: Probabilities) -> Measure:
        """Return how sure the exit is: (N, C) -> (N,); rounding may leave [0, 1]."""


class Softmax(ConfidencePolicy):
    """The largest probability."""

    candidates = GRID[30:]  # lower ones gain nothing where many images are doubtful

    def measure(self, probabilities: Probabilities) -> Measure:
        """Return p1."""
        return np.asarray(probabilities.max(axis=-1), np.float32)


class Entropy(ConfidencePolicy):
    """One minus the entropy divided by its maximum: 1 - H / log C."""

    def measure(self, probabilities: Probabilities) -> Measure:
        """Return 1 - H / log C."""
        logs = np.log(np.maximum(probabilities, np.float32(NO_LOG_OF_ZERO)))
        largest = np.float32(np.log(probabilities.shape[-1]))
        return np.asarray(1 + (probabilities * logs).sum(axis=-1) / largest, np.float32)


class Margin(ConfidencePolicy):
    """The lead of the best class over the second best: p1 - p2."""

    def measure(self, probabilities: Probabilities) -> Measure:
        """Return p1 - p2."""
        best = np.partition(probabilities, -2, axis=-1)
        return np.asarray(best[..., -1] - best[..., -2], np.float32)
