"""How often an answer is wrong, given the exit and the confidence that it came with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drive.study.seen.answers import Answers
from drive.study.seen.pictures import labels
from drive.study.worlds import Part
from eevit_ros.model.metadata import ModelMetadata

Values = npt.NDArray[np.float64]

BINS = 10  # of confidence


def risk_table(part: Part, answers: Mapping[str, Answers], model: ModelMetadata) -> Values:
    """Return the share of wrong answers by exit and bin of confidence, over all conditions.

    A bin counts one right and one wrong answer more than it has. A deeper or less sure answer is
    never less likely to be wrong: where the counts say otherwise, both neighbours give way.

    Returns:
        float64 (E + 1, BINS).
    """
    numbers = {name: number for number, name in enumerate(model.class_names)}
    truth = np.array([numbers.get(labels()[number], -1) for number in part.signs])
    wrong, count = (np.ones((len(model.answer_layers), BINS)) * n for n in (1, 2))
    for found in answers.values():
        label, left, confidence = (found.signs[..., field] for field in range(3))
        column = (confidence / 255 * BINS).astype(int).clip(0, BINS - 1)
        np.add.at(count, (left, column), 1)
        np.add.at(wrong, (left, column), label != truth[:, np.newaxis, np.newaxis])
    return _monotone(_monotone(wrong / count, 0), 1, falling=True)


def _monotone(table: Values, axis: int, *, falling: bool = False) -> Values:
    values = np.flip(table, axis) if falling else table
    up = np.maximum.accumulate(values, axis)
    down = np.flip(np.minimum.accumulate(np.flip(values, axis), axis), axis)
    smooth: Values = (up + down) / 2
    return np.flip(smooth, axis) if falling else smooth
