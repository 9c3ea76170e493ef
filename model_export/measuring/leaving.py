"""Where each image leaves a model at its own thresholds, from all exits' answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits
from eevit_ros.policies.threshold_search import exits_taken
from model_export.measuring.answers import Answers


@dataclass(frozen=True)
class Leaving:
    """What the robot would answer to N images.

    Attributes:
        exit_index: int64 (N,), E for the final exit.
        layer: int64 (N,), the layer (from 1) after which each image left.
        answer: int64 (N,), the class named.
        confidence: float32 (N,).
        right: bool (N,).
    """

    exit_index: npt.NDArray[np.int64]
    layer: npt.NDArray[np.int64]
    answer: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]


def leaving(found: Answers) -> Leaving:
    """Apply the file's policy and thresholds to all exits' probabilities."""
    meta = found.metadata
    measures = measure_exits(build_policy(meta.policy, meta.accuracy), found.probabilities)
    taken = exits_taken(measures.measure, np.array(meta.default_thresholds, np.float32))
    images = np.arange(len(taken))
    answer = measures.answer[taken, images]
    return Leaving(
        exit_index=taken,
        layer=np.array(meta.answer_layers, np.int64)[taken],
        answer=answer,
        confidence=measures.confidence[taken, images],
        right=answer == found.labels,
    )
