"""The exit policy offline: where images leave at given thresholds, and what that comes to.

From what a policy makes of all exits on the same images, so that one pass at full depth answers for
every vector of thresholds. NumPy alone: calibration on a workstation and tuning on a robot's own
recordings both use it. Which thresholds to choose: `threshold_search`.

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
    """What a policy makes of every exit on N images.

    Attributes:
        measure: float32 (E + 1, N), compared with the thresholds.
        confidence: float32 (E + 1, N), the largest probability of the answer given there.
        answer: int64 (E + 1, N), the class answered there.
    """

    measure: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    answer: npt.NDArray[np.int64]


def measure_exits(policy: Policy, probabilities: npt.NDArray[np.float32]) -> ExitMeasures:
    """Show a policy every exit of every image, float32 (E + 1, N, C), as if nobody had left."""
    policy.start()
    readings = [policy.read(exit_probabilities) for exit_probabilities in probabilities]
    return ExitMeasures(
        np.stack([reading.measure for reading in readings]),
        np.stack([reading.probabilities.max(axis=-1) for reading in readings]).astype(np.float32),
        np.stack([reading.probabilities.argmax(axis=-1) for reading in readings]).astype(np.int64),
    )


@dataclass(frozen=True)
class OperatingPoint:
    """What an exit policy does on a data set.

    Attributes:
        accuracy: Share of right answers.
        share: E + 1 shares of images by exit.
        exit_accuracy: E + 1 accuracies of the images that left there; 0 where none did.
        speedup_layers: L * N over the sum of layers that ran.
        speedup_macs: The plain backbone's MACs over the mean of what ran, heads included.
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
    """Sum up a policy.

    Args:
        right: bool (E + 1, N), whether each exit answers each image rightly.
        taken: int (N,), the exit index of each image.
        layers_at: E + 1 layers that ran for an image leaving there; the last is L.
        macs_at: E + 1 MACs of an image leaving there.
        backbone_macs: MACs of the plain backbone.
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
