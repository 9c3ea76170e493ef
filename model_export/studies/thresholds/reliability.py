"""How far an exit's confidence is from its accuracy.

Reference:
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (ECE, reliability diagrams).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 15  # of equal width over [0, 1]


@dataclass(frozen=True)
class Reliability:
    """One exit's answers by confidence.

    Attributes:
        count: int64 (BINS,), answers in each bin.
        confidence: float64 (BINS,), their mean confidence; NaN in an empty bin.
        accuracy: float64 (BINS,), their share of right ones; NaN in an empty bin.
        ece: The expected calibration error: the mean of the bins' gaps, weighted by `count`.
    """

    count: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    ece: float


def reliability(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> Reliability:
    """Bin one exit's answers.

    Args:
        probabilities: float32 (N, C).
        labels: int64 (N,).
    """
    confidence = probabilities.max(axis=-1).astype(np.float64)
    right = probabilities.argmax(axis=-1) == labels
    where = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(where, minlength=BINS)
    filled = np.where(count > 0, count, np.nan)
    mean = np.bincount(where, weights=confidence, minlength=BINS) / filled
    share = np.bincount(where, weights=right, minlength=BINS) / filled
    ece = float(np.nansum(count * np.abs(mean - share)) / len(labels))
    return Reliability(count, mean, share, ece)
