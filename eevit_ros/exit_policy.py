"""The exit policy offline: where images leave at given thresholds, and which thresholds to choose.

From the confidences of all exits on the same images, so that one pass at full depth answers for
every vector of thresholds. NumPy alone: calibration on a workstation and tuning on a robot's own
recordings both use it.

Reference:
    Teerapittayanon et al., BranchyNet, ICPR 2016 (thresholds on confidence).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError

CANDIDATES = np.round(np.arange(0.30, 1.0, 0.01), 2)


@dataclass(frozen=True)
class Outcome:
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


def exits_taken(
    confidence: npt.NDArray[np.float32], thresholds: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """The exit index (N,) of each image: the first that is confident enough, else the final one.

    Args:
        confidence: float32 (E + 1, N).
        thresholds: float32 (E,); an exit is taken above its threshold, not at it.
    """
    leaves = confidence[:-1] > thresholds[:, None]
    leaves = np.vstack([leaves, np.ones((1, confidence.shape[1]), bool)])
    return np.asarray(np.argmax(leaves, axis=0), np.int64)


def outcome(
    right: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.int64],
    layers_at: tuple[int, ...],
    macs_at: tuple[int, ...],
    backbone_macs: int,
) -> Outcome:
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
    return Outcome(
        accuracy=float(hit.mean()),
        share=tuple(float(c) for c in count / images),
        exit_accuracy=tuple(float(h / c) if c else 0.0 for h, c in zip(hits, count, strict=True)),
        speedup_layers=float(layers_at[-1] * images / (count @ np.array(layers_at))),
        speedup_macs=float(backbone_macs * images / (count @ np.array(macs_at))),
    )


def choose_thresholds(
    confidence: npt.NDArray[np.float32],
    right: npt.NDArray[np.bool_],
    macs_at: tuple[int, ...],
    max_drop: float,
) -> tuple[float, ...]:
    """The thresholds with the fewest mean MACs whose accuracy falls by at most `max_drop`.

    First the best value common to all exits, then one exit at a time, each to the value that
    saves most within the limit, until nothing changes.

    Args:
        confidence: float32 (E + 1, N), calibrated.
        right: bool (E + 1, N).
        macs_at: E + 1 MACs of an image leaving there.
        max_drop: Accuracy that may be given up against the final exit, as a share (0.005).

    Returns:
        E thresholds.
    """
    if not 0 <= max_drop < 1:
        raise EevitError(f'max_drop must be in [0, 1). Got {max_drop!r}')
    exits, images = right.shape
    cost = np.array(macs_at, np.float64)
    floor = right[-1].mean() - max_drop

    def mean_cost(thresholds: npt.NDArray[np.float32]) -> float:
        taken = exits_taken(confidence, thresholds)
        if right[taken, np.arange(images)].mean() < floor:
            return float('inf')
        return float(cost[taken].mean())

    common = [np.full(exits - 1, value, np.float32) for value in (*CANDIDATES, 1.0)]
    best = min(common, key=mean_cost)
    changed = True
    while changed:
        changed = False
        for exit_index in range(exits - 1):
            options = []
            for value in (*CANDIDATES, 1.0):
                option = best.copy()
                option[exit_index] = value
                options.append(option)
            option = min(options, key=mean_cost)
            if mean_cost(option) < mean_cost(best):
                best, changed = option, True
    return tuple(round(float(value), 2) for value in best)
