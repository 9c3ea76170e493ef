"""Every exit's answers to held-out images: of a run, or of an exported file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits
from model_export.calibration.choose import CalibrationSet
from model_export.calibration.held_out import answer_held_out, halves
from model_export.calibration.temperatures import calibrate
from model_export.data import Reading
from model_export.data.groups import Groups
from model_export.measuring.answers import answers
from model_export.network.macs import count_macs


@dataclass(frozen=True)
class HeldOutAnswers:
    """Every exit's answers. E early exits, N images, C classes.

    Attributes:
        probabilities: Calibrated probabilities, float32 (E + 1, N, C).
        raw: Probabilities before temperature scaling; None for a file, which holds calibrated ones.
        labels: True classes, int64 (N,).
        layers: Layers that ran for an image leaving at each of E + 1 exits.
        macs: MACs of such an image, E + 1 counts.
        backbone_macs: MACs of the plain backbone.
        accuracy: Shares of correct answers at each of E + 1 exits: of a run on the half to choose
            on, of a file as it says.
        groups: Group of each image, (N,), if images were grouped.
    """

    probabilities: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32] | None
    labels: npt.NDArray[np.int64]
    layers: tuple[int, ...]
    macs: tuple[int, ...]
    backbone_macs: int
    accuracy: tuple[float, ...]
    groups: Groups | None

    @property
    def halves(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Indices of the images to choose on and of those to measure on."""
        return halves(len(self.labels), self.groups)

    def measured_by(self, policy_name: str) -> CalibrationSet:
        """Return what a policy measures in them.

        Raises:
            EevitError: There is no such policy.
        """
        policy = build_policy(policy_name, self.accuracy)
        measures = measure_exits(policy, self.probabilities)
        return CalibrationSet(
            policy, measures, self.labels, self.layers, self.macs, self.backbone_macs, self.groups
        )


def answers_of_run(run: Path, data: Path) -> HeldOutAnswers:
    """Return the answers of a run, or of saved weights, to the images that it held out."""
    held = answer_held_out(run, data)
    first, _ = halves(len(held.images), held.images.groups)
    _, probabilities = calibrate(held.logits, held.labels, first)
    macs = count_macs(held.model)
    right = (held.logits.argmax(-1) == held.labels)[:, first]
    return HeldOutAnswers(
        probabilities,
        held.logits.softmax(-1).numpy(),
        held.images.labels,
        (*held.model.exit_layers, held.model.recipe.backbone.layers),
        macs.leaving,
        macs.backbone,
        tuple(right.float().mean(dim=1).tolist()),
        held.images.groups,
    )


def answers_of_file(path: Path, data: Path, split: str, reading: Reading) -> HeldOutAnswers:
    """Return the answers of an `.onnx` file to a split of a data set."""
    found = answers(path, data, split, reading=reading)
    meta = found.metadata
    return HeldOutAnswers(
        np.clip(found.probabilities, 0, 1),
        None,
        found.labels,
        meta.answer_layers,
        meta.macs,
        meta.backbone_macs,
        meta.accuracy,
        None,
    )
