"""Policies that judge an exit by its own probabilities. The exported graph can do the same.

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
    """A measure of one exit's probabilities, with no memory."""

    def read(self, probabilities: Probabilities) -> ExitReading:
        """Measure this exit."""
        measure = np.clip(self.measure(probabilities), TINY, 1)
        return ExitReading(np.asarray(measure, np.float32), probabilities)

    @abstractmethod
    def measure(self, probabilities: Probabilities) -> Measure:
        """How sure the exit is: (N, C) -> (N,); rounding may leave [0, 1]."""


class Softmax(ConfidencePolicy):
    """The largest probability."""

    candidates = GRID[30:]  # where many images are doubtful, a lower one promises nothing

    def measure(self, probabilities: Probabilities) -> Measure:
        """p1."""
        return np.asarray(probabilities.max(axis=-1), np.float32)


class Entropy(ConfidencePolicy):
    """One minus the entropy's share of the largest entropy: 1 - H / log C."""

    def measure(self, probabilities: Probabilities) -> Measure:
        """1 - H / log C."""
        logs = np.log(np.maximum(probabilities, np.float32(NO_LOG_OF_ZERO)))
        largest = np.float32(np.log(probabilities.shape[-1]))
        return np.asarray(1 + (probabilities * logs).sum(axis=-1) / largest, np.float32)


class Margin(ConfidencePolicy):
    """By how much the best class leads the second best: p1 - p2."""

    def measure(self, probabilities: Probabilities) -> Measure:
        """p1 - p2."""
        best = np.partition(probabilities, -2, axis=-1)
        return np.asarray(best[..., -1] - best[..., -2], np.float32)
