"""What a model file says of its exits: thresholds for a target, and what they reach."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eevit_ros.model.metadata import CONFIDENCE_BINS
from eevit_ros.model.promise import Promise
from eevit_ros.policies import STATELESS
from eevit_ros.policies.operating_point import measure_exits
from model_export.calibration.choose import (
    CalibrationSet,
    Target,
    choose,
    choose_with_promise,
    why_no_promise,
)
from model_export.calibration.held_out import calibration_hash
from model_export.calibration.temperatures import Counts, count_answers
from model_export.data import Dataset
from model_export.errors import ModelExportError
from model_export.network.macs import Macs


class ExitSettings(NamedTuple):
    """Fields of `ModelMetadata`, by their names there."""

    default_thresholds: tuple[float, ...]
    promise: Promise | None
    accuracy: tuple[float, ...]
    calibration_counts: Counts
    calibration_wrong: Counts
    degraded_counts: Counts
    degraded_wrong: Counts


def choose_exit_settings(
    probabilities: npt.NDArray[np.float32],
    images: Dataset,
    degraded: npt.NDArray[np.float32],
    degraded_labels: npt.NDArray[np.int64],
    *,
    layers: tuple[int, ...],
    macs: Macs,
    target: Target,
    parts: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None,
    policy_name: str,
) -> ExitSettings:
    """Choose thresholds on held-out images and say what was found.

    With a promise as the target, the family of thresholds comes from one part of the images, and
    the promise is tested on the other.

    Args:
        probabilities: float32 (E + 1, N, C), of every exit, calibrated.
        images: The N held-out images.
        degraded: float32 (E + 1, M, C), the same of degraded copies of some of them.
        degraded_labels: True classes of these, int64 (M,).
        layers: E + 1 layers that ran at each exit.
        macs: MACs of the deployed model.
        target: Target that the thresholds shall reach.
        parts: For a promise, the indices of the images to choose on, on which the temperatures were
            fitted, and of those to test on.
        policy_name: One of `STATELESS`.

    Raises:
        ModelExportError: The promise that was asked for cannot be given.
    """
    policy = STATELESS[policy_name]()
    measures = measure_exits(policy, probabilities)
    known = CalibrationSet(
        policy, measures, images.labels, layers, macs.leaving, macs.backbone, images.groups
    )
    promise = None
    if target.risk is None:
        thresholds = choose(known, target)
    else:
        assert parts is not None
        first, second = parts
        found = choose_with_promise(
            known.subset(first), known.subset(second), target.risk, target.delta
        )
        if found is None:
            raise ModelExportError(
                f'{target}: cannot be promised: '
                f'{why_no_promise(len(second), target.risk, target.delta)}'
            )
        thresholds = found
        calibration = calibration_hash(images.subset(second))
        promise = Promise(
            'accuracy_gap', target.risk, target.delta, len(second), calibration, policy_name
        )
        print(f'promise: {promise}')
    result = known.operating_point(thresholds)
    print(
        f'thresholds {thresholds}: {result.accuracy:.4f} at {result.speedup_macs:.2f}x fewer MACs '
        f'(final exit {known.right[-1].mean():.4f}, held-out images)'
    )
    worse = replace(
        known, measures=measure_exits(policy, degraded), labels=degraded_labels, groups=None
    )
    clean_counts, degraded_counts = (
        count_answers(one.measures.confidence, one.right, one.taken(thresholds))
        for one in (known, worse)
    )
    print(
        f'right answers: {_by_confidence(*clean_counts)}; on degraded copies: '
        f'{_by_confidence(*degraded_counts)}'
    )
    return ExitSettings(
        thresholds,
        promise,
        tuple(float(share) for share in known.right.mean(axis=1)),
        *clean_counts,
        *degraded_counts,
    )


def _by_confidence(counts: Counts, wrong: Counts) -> str:
    """Say how many answers are right, and of those that are the surest."""
    shares = []
    for first in (0, CONFIDENCE_BINS - 1):
        answers, mistakes = (np.array(table)[:, first:].sum() for table in (counts, wrong))
        shares.append(f'{1 - mistakes / answers:.1%}' if answers else 'none')
    return f'{shares[0]} ({shares[1]} of those with confidence 0.9 or more)'
