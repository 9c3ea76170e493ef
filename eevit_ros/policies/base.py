"""The base of every exit policy: it reads one exit after the other and measures how sure it is.

    policy.start()
    for exit_index, probabilities in enumerate(exits):      # (N, C) each
        leaves, answer = policy.decide(probabilities, thresholds[exit_index])

N is 1 on the robot and the size of a data set offline; the same classes serve both. An image leaves
when its measure is strictly above the threshold. Every measure lies in (0, 1], so an image always
leaves at a threshold of 0 and never at 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]
Measure = npt.NDArray[np.float32]

TINY = 2.0**-20  # the least measure: above 0, so that a threshold of 0 leaves even at a tie
GRID = tuple(round(step / 100, 2) for step in range(100))


class ExitReading(NamedTuple):
    """A policy's reading of one exit.

    Attributes:
        measure: float32 (N,), within (0, 1]; compared with the threshold.
        probabilities: float32 (N, C), the answer of an image that leaves here.
    """

    measure: Measure
    probabilities: Probabilities


class Policy(ABC):
    """Decides exit by exit for N images at once; its readings of images that have left are ignored.

    Attributes:
        candidates: Thresholds worth trying, rising.
        per_exit: Whether each exit may have its own threshold; else all share one.
    """

    candidates: tuple[float, ...] = GRID
    per_exit: bool = True

    def start(self) -> None:
        """Forget earlier images; call it before the first exit of new ones."""
        return None

    @abstractmethod
    def read(self, probabilities: Probabilities) -> ExitReading:
        """Read the next exit, beginning with the first: probabilities float32 (N, C)."""

    def decide(
        self, probabilities: Probabilities, threshold: float
    ) -> tuple[npt.NDArray[np.bool_], Probabilities]:
        """Read the next exit; return which images leave, bool (N,), and their answers (N, C)."""
        reading = self.read(probabilities)
        return reading.measure > np.float32(threshold), reading.probabilities
