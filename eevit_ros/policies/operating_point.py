"""An exit policy offline: its measures at every exit, and accuracy and cost at given thresholds.

All exits are measured on the same images, so one pass at full depth serves every vector of
thresholds. Calibration on a workstation and tuning on a robot's recordings both use this;
`threshold_search` chooses the thresholds.

Reference:
    Teerapittayanon et al., BranchyNet, ICPR 2016 (thresholds on confidence).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eevit_ros.policies import Policy


@dataclass(frozen=True)
class ExitMeasures:
    """A policy's readings of every exit on N images.

    Attributes:
        measure: float32 (E + 1, N), compared with the thresholds.
        confidence: float32 (E + 1, N), the largest probability of the answer given there.
        answer: int64 (E + 1, N), the class answered there.
    """

    measure: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    answer: npt.NDArray[np.int64]


def measure_exits(policy: Policy, probabilities: npt.NDArray[np.float32]) -> ExitMeasures:
    """Let a policy read every exit of every image, as if none had left.

    Args:
        policy: The policy; it is started here.
        probabilities: float32 (E + 1, N, C).
    """
    policy.start()
    readings = [policy.read(exit_probabilities) for exit_probabilities in probabilities]
    return ExitMeasures(
        np.stack([reading.measure for reading in readings]),
        np.stack([reading.probabilities.max(axis=-1) for reading in readings]).astype(np.float32),
        np.stack([reading.probabilities.argmax(axis=-1) for reading in readings]).astype(np.int64),
    )


@dataclass(frozen=True)
class OperatingPoint:
    """Accuracy and cost of an exit policy on a data set.

    Attributes:
        accuracy: Share of right answers.
        share: E + 1 shares of images, by exit.
        exit_accuracy: E + 1 accuracies of the images that left there; 0 where none did.
        speedup_layers: L * N divided by the sum of layers that ran.
        speedup_macs: The plain backbone's MACs divided by the mean MACs that ran, heads included.
    """

    accuracy: float
    share: tuple[float, ...]
    exit_accuracy: tuple[float, ...]
    speedup_layers: float
    speedup_macs: float


def operating_point(
    right: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.int64],
    layers_at: tuple[int, ...],
    macs_at: tuple[int, ...],
    backbone_macs: int,
) -> OperatingPoint:
    """Return accuracy and cost, given where each image left.

    Args:
        right: bool (E + 1, N), whether each exit answers each image correctly.
        taken: int (N,), each image's exit index.
        layers_at: E + 1 numbers of layers that run for an image leaving there; the last is L.
        macs_at: E + 1 numbers of MACs for an image leaving there.
        backbone_macs: The plain backbone's MACs.
    """
    exits, images = right.shape
    count = np.bincount(taken, minlength=exits)
    hit = right[taken, np.arange(images)]
    hits = np.bincount(taken, weights=hit, minlength=exits)
    return OperatingPoint(
        accuracy=float(hit.mean()),
        share=tuple(float(c) for c in count / images),
        exit_accuracy=tuple(float(h / c) if c else 0.0 for h, c in zip(hits, count, strict=True)),
        speedup_layers=float(layers_at[-1] * images / (count @ np.array(layers_at))),
        speedup_macs=float(backbone_macs * images / (count @ np.array(macs_at))),
    )
