"""Leave when two neighbouring exits agree, and how far to let them differ.

This is not one of `eevit_ros/policies`: those measure how sure an exit is, between 0 and 1, and
leave above a threshold. Here the measure is a distance in the target's unit, and an image leaves
below a tolerance.

Reference: Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
STEPS = 100  # from no tolerance to the largest candidate


@dataclass(frozen=True)
class RegressionAnswers:
    """Answers of all exits to N images whose true values are known. E early exits.

    Attributes:
        values: Answers of each exit, the final one last, float32 (E + 1, N).
        truth: True values, float32 (N,).
        macs: MACs of an image that leaves at each exit, E + 1 counts, see `macs.Macs`.
        backbone_macs: MACs of the backbone without exits.
    """

    values: Floats
    truth: Floats
    macs: tuple[int, ...]
    backbone_macs: int

    @property
    def errors(self) -> tuple[float, ...]:
        """Mean absolute error of each of the E + 1 exits alone."""
        return tuple(float(e) for e in np.abs(self.values - self.truth).mean(axis=1))


@dataclass(frozen=True)
class RegressionPoint:
    """What tolerances reach: mean absolute error, fewer MACs, share of images per exit."""

    error: float
    speedup_macs: float
    share: tuple[float, ...]


def exits_taken(values: Floats, tolerances: Sequence[float] | Floats) -> npt.NDArray[np.int64]:
    """Return where each image leaves: at the first exit that agrees with the one before.

    Args:
        values: float32 (E + 1, N).
        tolerances: (E,) in the unit of the values. An exit leaves where the distance is smaller,
            strictly: never at 0. The first exit never leaves; its tolerance is not read.

    Returns:
        The exit index of each image, int64 (N,); E is the final exit.
    """
    final = len(values) - 1
    distances = np.abs(np.diff(values[:final], axis=0))  # (E - 1, N)
    leaves = distances < np.asarray(tolerances, np.float32)[1:, None]
    return np.where(leaves.any(axis=0), 1 + leaves.argmax(axis=0), final)


def regression_point(
    known: RegressionAnswers, tolerances: Sequence[float] | Floats
) -> RegressionPoint:
    """Return what E tolerances reach."""
    taken = exits_taken(known.values, tolerances)
    answers = known.values[taken, np.arange(len(taken))]
    return RegressionPoint(
        float(np.abs(answers - known.truth).mean()),
        known.backbone_macs / float(np.array(known.macs)[taken].mean()),
        tuple(float(s) for s in np.bincount(taken, minlength=len(known.values)) / len(taken)),
    )


def candidates(deviation: float) -> tuple[float, ...]:
    """Return tolerances to try: from 0 to two deviations of the targets, small ones denser."""
    return tuple(float(f'{2 * deviation * (step / STEPS) ** 2:.3g}') for step in range(STEPS + 1))


def choose_tolerances(
    known: RegressionAnswers, deviation: float, max_rise: float
) -> tuple[float, ...]:
    """Return the tolerances that save most, found by changing one exit's at a time.

    Args:
        known: Answers of all exits to held-out images.
        deviation: Standard deviation of the targets.
        max_rise: The mean absolute error may be larger than the final exit's by this share of it.

    Returns:
        E of `candidates`; all 0, which never leaves, if no others will do. The first is 0.
    """
    allowed = known.errors[-1] * (1 + max_rise)
    best = (0.0,) * (len(known.values) - 1)
    saved = regression_point(known, best).speedup_macs
    while True:
        found = [
            (one.speedup_macs, tried)
            for index in range(1, len(best))
            for value in candidates(deviation)
            for tried in [(*best[:index], value, *best[index + 1 :])]
            if (one := regression_point(known, tried)).error <= allowed and one.speedup_macs > saved
        ]
        if not found:
            return best
        saved, best = max(found, key=lambda one: (one[0], tuple(-value for value in one[1])))
