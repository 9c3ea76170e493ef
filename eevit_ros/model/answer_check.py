"""Whether what a model answered is an answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.model.runners import Answer

# Softmax in half precision may exceed 1 by rounding; more than this is no probability.
_ROUNDING = 1e-3
_SUM_ROUNDING = 2e-2  # of all classes together


def check_answer(answer: Answer, metadata: ModelMetadata) -> tuple[npt.NDArray[np.float32], int]:
    """Return probabilities (C,) within [0, 1] and the exit index.

    Raises:
        EevitError: They have other shapes, or values that make no sense.
    """
    probabilities, exit_index = answer
    classes, exits = len(metadata.class_names), len(metadata.exit_layers)
    if probabilities.shape != (1, classes) or exit_index.shape != (1,):
        raise EevitError(
            f'the model must answer with probabilities (1, {classes}) and exit_index (1,). '
            f'Got {probabilities.shape} and {exit_index.shape}; export it again'
        )
    low, high, left_at = probabilities.min(), probabilities.max(), int(exit_index[0])
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also true of NaN
        raise EevitError(
            f'the model answered with probabilities from {low} to {high}, not within [0, 1], '
            f'at exit {left_at}; the frame or the model is broken'
        )
    total = float(probabilities.sum())
    if not abs(total - 1) <= _SUM_ROUNDING:  # a damaged file may still answer something
        raise EevitError(
            f'the model answered with probabilities that add up to {total:.4g}, not to 1, '
            f'at exit {left_at}; the model is broken: copy or export it again'
        )
    if not 0 <= left_at <= exits:
        raise EevitError(
            f'exit_index must be 0..{exits}. The model answered {left_at}: export it again'
        )
    return np.clip(probabilities[0], 0, 1), left_at
