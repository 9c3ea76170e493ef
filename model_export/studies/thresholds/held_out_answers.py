"""Where the command `thresholds` has every exit's answers from: a run, or an exported file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import measure_exits
from model_export.calibration.choose import Known
from model_export.calibration.held_out import answer_held_out, halves
from model_export.calibration.temperatures import calibrated, fit_temperatures
from model_export.measuring.answers import answers
from model_export.network.macs import count_macs


@dataclass(frozen=True)
class Source:
    """Every exit's answers. E early exits, N images, C classes.

    Attributes:
        probabilities: float32 (E + 1, N, C), calibrated.
        raw: The same before temperature scaling; None where they are not known any more.
        labels: int64 (N,).
        layers: E + 1 layers that ran for an image leaving there.
        macs: E + 1 MACs of such an image.
        backbone_macs: Of the plain backbone.
        accuracy: E + 1 shares of right answers, of the half to choose on or as the file says.
    """

    probabilities: npt.NDArray[np.float32]
    raw: npt.NDArray[np.float32] | None
    labels: npt.NDArray[np.int64]
    layers: tuple[int, ...]
    macs: tuple[int, ...]
    backbone_macs: int
    accuracy: tuple[float, ...]

    def known(self, policy_name: str) -> Known:
        """What a policy makes of it.

        Raises:
            EevitError: there is no such policy.
        """
        policy = build_policy(policy_name, self.accuracy)
        measures = measure_exits(policy, self.probabilities)
        return Known(policy, measures, self.labels, self.layers, self.macs, self.backbone_macs)


def of_run(run: Path, data: Path) -> Source:
    """What a run, or saved weights, say of the images that they held out."""
    held = answer_held_out(run, data)
    first, _ = halves(len(held.images))
    temperatures = fit_temperatures(held.logits[:, first], held.labels[first])
    macs = count_macs(held.model)
    right = (held.logits.argmax(-1) == held.labels)[:, first]
    return Source(
        calibrated(held.logits, temperatures),
        held.logits.softmax(-1).numpy(),
        held.images.labels,
        (*held.model.exit_layers, held.model.recipe.backbone.layers),
        macs.leaving,
        macs.backbone,
        tuple(right.float().mean(dim=1).tolist()),
    )


def of_file(path: Path, data: Path, split: str) -> Source:
    """What an `.onnx` file says of a split of a data set."""
    found = answers(path, data, split)
    meta = found.metadata
    return Source(
        np.clip(found.probabilities, 0, 1),
        None,
        found.labels,
        meta.answer_layers,
        meta.macs,
        meta.backbone_macs,
        meta.accuracy,
    )
