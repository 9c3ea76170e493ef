"""Choose temperatures on held-out data, never on the test set, and count what the robot compares.

Reference:
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (temperature scaling).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from eevit_ros.model.metadata import CONFIDENCE_BINS

TEMPERATURES = (0.25, 10.0)


def fit_temperatures(logits: Tensor, labels: Tensor) -> list[float]:
    """Return the temperature of each exit that minimises the negative log-likelihood.

    Args:
        logits: float32 (E + 1, N, C).
        labels: int64 (N,).

    Returns:
        E + 1 numbers within `TEMPERATURES`; above 1 where the exit was over-confident. The bounds
        matter for small sets: answers that are all right (or all wrong) have no best temperature.
    """
    return [_fit_temperature(exit_logits, labels) for exit_logits in logits]


def _fit_temperature(logits: Tensor, labels: Tensor) -> float:
    log_temperature = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=50, line_search_fn='strong_wolfe')

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    low, high = TEMPERATURES
    return min(max(float(log_temperature.detach().exp()), low), high)


def calibrate(
    logits: Tensor, labels: Tensor, fitted_on: npt.NDArray[np.int64]
) -> tuple[list[float], npt.NDArray[np.float32]]:
    """Return E + 1 temperatures fitted on some of the images, and the probabilities of all.

    Args:
        logits: float32 (E + 1, N, C).
        labels: int64 (N,).
        fitted_on: Indices of the images to fit on.
    """
    temperatures = fit_temperatures(logits[:, fitted_on], labels[fitted_on])
    return temperatures, calibrated(logits, temperatures)


def calibrated(logits: Tensor, temperatures: Sequence[float]) -> npt.NDArray[np.float32]:
    """Return probabilities float32 (E + 1, N, C) of logits (E + 1, N, C) at E + 1 temperatures."""
    return (logits / torch.tensor(temperatures)[:, None, None]).softmax(-1).numpy()


Counts: TypeAlias = tuple[tuple[int, ...], ...]


def count_answers(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.int64],
) -> tuple[Counts, Counts]:
    """Return how many images left at each exit with a confidence in each bin, and how many wrong.

    Args:
        confidence: float32 (E + 1, N).
        right: bool (E + 1, N), whether the exit's answer is the image's class.
        taken: int (N,), the exit index of each image.

    Returns:
        Twice E + 1 rows of `CONFIDENCE_BINS` counts, as in `ModelMetadata.calibration_counts`.
    """
    exits, images = confidence.shape
    image = np.arange(images)
    answered = confidence[taken, image]
    bins = np.minimum((answered * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
    counts, wrong = np.zeros((2, exits, CONFIDENCE_BINS), np.int64)
    np.add.at(counts, (taken, bins), 1)
    np.add.at(wrong, (taken, bins), ~right[taken, image])
    return _rows(counts), _rows(wrong)


def _rows(counts: npt.NDArray[np.int64]) -> Counts:
    return tuple(tuple(row) for row in counts.tolist())
