"""What every exit policy is: it sees one exit after the other and measures how sure it may be.

    policy.start()
    for exit_index, probabilities in enumerate(exits):      # (N, C) each
        leaves, answer = policy.decide(probabilities, thresholds[exit_index])

N is 1 on the robot and the size of a data set offline; the same classes serve both. An image leaves
when its measure is above the threshold, strictly. Every measure lies in (0, 1], so that a threshold
of 0 always leaves and one of 1 never does. NumPy alone.
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
    """What a policy makes of one exit.

    Attributes:
        measure: float32 (N,), within (0, 1]; compared with the threshold.
        probabilities: float32 (N, C), what an image answers if it leaves here.
    """

    measure: Measure
    probabilities: Probabilities


class Policy(ABC):
    """Decides exit by exit for N images at once; an image that has left is simply not asked about.

    Attributes:
        candidates: Thresholds worth trying, rising.
        per_exit: Whether each exit may have a threshold of its own, or all share one.
    """

    candidates: tuple[float, ...] = GRID
    per_exit: bool = True

    def start(self) -> None:
        """Forget the images seen so far; call it before the first exit of new ones."""
        return None

    @abstractmethod
    def read(self, probabilities: Probabilities) -> ExitReading:
        """Take in the next exit's probabilities, float32 (N, C): of the first exit first."""

    def decide(
        self, probabilities: Probabilities, threshold: float
    ) -> tuple[npt.NDArray[np.bool_], Probabilities]:
        """See the next exit: who leaves there, bool (N,), and with which probabilities (N, C)."""
        reading = self.read(probabilities)
        return reading.measure > np.float32(threshold), reading.probabilities
