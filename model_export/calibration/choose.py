"""Thresholds by target, on what a policy makes of held-out images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.policies import Policy
from eevit_ros.policies.operating_point import ExitMeasures, OperatingPoint, operating_point
from eevit_ros.policies.threshold_search import choose_for_drops, choose_within, exits_taken, front
from model_export.calibration.risk import certify, images_needed
from model_export.errors import ModelExportError

if TYPE_CHECKING:
    from model_export.data.groups import Groups

MAX_DROP = 0.01
DELTA = 0.05
SLOW_SHARE = 0.01  # of runs may be slower than the 99th percentile
FAMILY = 12  # steps from full depth to no loss where chosen, and as many from there on
FOLDS = 5
FOLDS_SEED = 0


@dataclass(frozen=True)
class Target:
    """What thresholds shall reach; one of the first four is set.

    Attributes:
        max_drop: The fewest MACs with at most this share of accuracy below the final exit, on other
            images than those that choose.
        min_speedup: The most accuracy with at least so many times fewer MACs than the backbone.
        p99_ms: The most accuracy with 99 % of frames answered within so many milliseconds.
        risk: The fewest MACs for which a loss of at most this share can be promised.
        delta: Chance that this promise is wrong.
    """

    max_drop: float | None = None
    min_speedup: float | None = None
    p99_ms: float | None = None
    risk: float | None = None
    delta: float = DELTA

    def options(self) -> str:
        """Return the options of the command line that ask for it."""
        named = {
            '--max-drop': self.max_drop,
            '--min-speedup': self.min_speedup,
            '--p99-ms': self.p99_ms,
            '--risk': self.risk,
            '--delta': self.delta if self.risk is not None else None,
        }
        return ' '.join(f'{name} {value:g}' for name, value in named.items() if value is not None)

    def __str__(self) -> str:
        """Say it in words, for tables."""
        if self.min_speedup is not None:
            return f'at least {self.min_speedup:g}x fewer MACs'
        if self.p99_ms is not None:
            return f'p99 within {self.p99_ms:g} ms'
        if self.risk is not None:
            return f'at most {self.risk:.2%} lost, promised with {1 - self.delta:g}'
        return f'at most {self.max_drop:.2%} below the final exit, by cross-validation'


@dataclass(frozen=True)
class CalibrationSet:
    """Held-out images as a policy sees them. E early exits, N images.

    Attributes:
        policy: Policy whose candidate thresholds are tried.
        measures: Its measure, confidence and answer at every exit.
        labels: True classes, int64 (N,).
        layers: Layers that ran for an image leaving at each of E + 1 exits.
        macs: MACs of such an image, E + 1 counts.
        backbone_macs: MACs of the plain backbone.
        groups: Group of each image, (N,), if some are of one scene; else None.
    """

    policy: Policy
    measures: ExitMeasures
    labels: npt.NDArray[np.int64]
    layers: tuple[int, ...]
    macs: tuple[int, ...]
    backbone_macs: int
    groups: Groups | None = None

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each exit answers each image correctly, bool (E + 1, N)."""
        return np.asarray(self.measures.answer == self.labels)

    def subset(self, index: npt.NDArray[np.int64]) -> CalibrationSet:
        """Return the same for the images at `index`, in that order."""
        measures = self.measures
        part = ExitMeasures(
            measures.measure[:, index], measures.confidence[:, index], measures.answer[:, index]
        )
        groups = None if self.groups is None else self.groups[index]
        return replace(self, measures=part, labels=self.labels[index], groups=groups)

    def without_each_fold(self) -> Iterator[tuple[CalibrationSet, CalibrationSet]]:
        """Yield most of the images, and the others, up to `FOLDS` times. A group stays together.

        A single group cannot be divided: nothing is yielded.
        """
        names = np.arange(len(self.labels)) if self.groups is None else self.groups
        found, group = np.unique(names, return_inverse=True)
        fold = np.random.default_rng(FOLDS_SEED).permutation(len(found))[group] % FOLDS
        for number in range(min(FOLDS, len(found)) if len(found) > 1 else 0):
            yield (
                self.subset(np.flatnonzero(fold != number)),
                self.subset(np.flatnonzero(fold == number)),
            )

    def taken(self, thresholds: Sequence[float]) -> npt.NDArray[np.int64]:
        """Return the exit index of each image, int64 (N,), at E thresholds."""
        return exits_taken(self.measures.measure, np.array(thresholds, np.float32))

    def operating_point(self, thresholds: Sequence[float]) -> OperatingPoint:
        """Return what E thresholds reach."""
        taken = self.taken(thresholds)
        return operating_point(self.right, taken, self.layers, self.macs, self.backbone_macs)

    def front(self) -> list[tuple[float, ...]]:
        """Return the thresholds of the whole trade-off, from careful to fast."""
        return front(
            self.measures.measure,
            self.right,
            self.macs,
            candidates=self.policy.candidates,
            per_exit=self.policy.per_exit,
        )


def choose(
    known: CalibrationSet, target: Target, latencies_ms: npt.NDArray[np.float64] | None = None
) -> tuple[float, ...]:
    """Return E thresholds that reach a target other than a promise.

    Args:
        known: The images.
        target: Target without `risk`.
        latencies_ms: (E + 1, R) measured times of a frame leaving there, for `p99_ms`.

    Raises:
        ModelExportError: The target is out of range or cannot be reached.
    """
    measure, right = known.measures.measure, known.right
    candidates, per_exit = known.policy.candidates, known.policy.per_exit
    try:
        if target.p99_ms is not None:
            assert latencies_ms is not None
            slow = (latencies_ms > target.p99_ms).mean(axis=1)
            return choose_within(
                measure,
                right,
                slow.tolist(),
                SLOW_SHARE,
                candidates=candidates,
                per_exit=per_exit,
            )
        if target.min_speedup is not None:
            limit = known.backbone_macs / _positive('--min-speedup', target.min_speedup)
            return choose_within(
                measure, right, known.macs, limit, candidates=candidates, per_exit=per_exit
            )
        return _that_lose_elsewhere(known, target.max_drop or 0.0)
    except EevitError as err:
        raise ModelExportError(f'{target}: {err}') from err


def _that_lose_elsewhere(known: CalibrationSet, most: float) -> tuple[float, ...]:
    """Return fast thresholds that lose at most `most` on images they were not chosen on.

    The best of so many thresholds lose more elsewhere than where they were chosen
    (`benchmarks.few_held_out`). So thresholds from safe to fast are cross-validated, and the last
    are taken before some lose too much; full depth if that cannot be told.
    """
    steps = _from_safe_to_fast(known, most)
    lost = np.zeros(len(steps))
    folds = list(known.without_each_fold())
    for rest, fold in folds:
        for step, thresholds in enumerate(_from_safe_to_fast(rest, most)):
            early = fold.right[fold.taken(thresholds), np.arange(len(fold.labels))]
            lost[step] += fold.right[-1].sum() - early.sum()
    too_much = lost > most * len(known.labels) + 1e-6  # of images, whole numbers
    kept = int(np.argmax(too_much)) if too_much.any() else len(steps)
    return steps[kept - 1] if folds and kept else (1.0,) * len(steps[0])


def choose_with_promise(
    to_choose: CalibrationSet, to_test: CalibrationSet, risk: float, delta: float
) -> tuple[float, ...] | None:
    """Return the fastest thresholds for which the promise passes its test; None if none do.

    Args:
        to_choose: Images that the family of thresholds is made of.
        to_test: Others, in random order, that it is tested on. Nothing else may have been fitted
            on them, neither weights nor temperatures.
        risk: Accuracy that early exits may cost.
        delta: Chance that they cost more.

    Raises:
        ModelExportError: Risk or delta is out of range.
    """
    certify(to_test.measures.measure, to_test.right, [], risk, delta)  # refuses wrong values
    family = list(dict.fromkeys(_from_safe_to_fast(to_choose, min(1.5 * risk, 0.999))))
    passed = certify(to_test.measures.measure, to_test.right, family, risk, delta)
    return family[passed - 1] if passed else None


def _from_safe_to_fast(known: CalibrationSet, most: float) -> list[tuple[float, ...]]:
    """Return thresholds from near 1 to those that lose nothing here, then to a loss of `most`.

    What loses nothing where it was chosen loses something elsewhere, so safer ones come first.
    """
    chosen = choose_for_drops(
        known.measures.measure,
        known.right,
        known.macs,
        np.linspace(0, most, FAMILY).tolist(),
        candidates=known.policy.candidates,
        per_exit=known.policy.per_exit,
    )
    nearer = np.linspace(0, 1, FAMILY, endpoint=False)[1:]
    safer = [tuple(round(float(1 - share * (1 - one)), 4) for one in chosen[0]) for share in nearer]
    if not known.policy.per_exit:  # between two of its values nothing changes
        values = (*known.policy.candidates, 1.0)
        safer = [tuple(min(v for v in values if v >= one) for one in each) for each in safer]
    return [*safer, *chosen]


def why_no_promise(images: int, risk: float, delta: float) -> str:
    """Say why a promise could not be given."""
    needed = images_needed(risk, delta)
    if images < needed:
        return f'it was tested on {images} images, and needs at least {needed}'
    return 'even the safest thresholds may lose too much; allow more, or hold out more images'


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ModelExportError(f'{name} must be above 0. Got {value}')
    return value
