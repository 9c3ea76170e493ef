"""Distribution shift: whether the robot's answers still look like those of the calibration.

The model file says where the calibration's images left the network and with what confidence. Live
answers are collected in windows that do not overlap. Each window is compared with that table by two
chi-square tests of homogeneity: over the exits and over bins of confidence. A window counts as
shifted if one of the two p-values is below half the stated false-alarm rate (Bonferroni), so that
this rate bounds both together.

The tests assume independent answers. Neighbouring frames of a camera are not independent, so at
most one answer is taken every `every_s`; by then the view must have changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eevit_ros.model.metadata import CONFIDENCE_BINS, ModelMetadata
from eevit_ros.perception.chi_square import Counts, HomogeneityTest
from eevit_ros.settings import check, parameter


@dataclass(frozen=True)
class ShiftSettings:
    """How answers are compared with the calibration: the parameters `shift.*`; checks itself."""

    window: int = parameter(
        100,
        "Answers that are compared with the model's calibration at a time.",
        10,
        100_000,
        live=True,
    )
    every_s: float = parameter(
        1.0,
        'At most one answer in this many seconds is compared: long enough for a new view.',
        0.0,
        3600.0,
        live=True,
    )
    false_alarm: float = parameter(
        0.001,
        'Share of windows reported as shifted although nothing has shifted.',
        1e-6,
        0.5,
        live=True,
    )
    slows: bool = parameter(
        False, 'Keep the rate at the floor while the last window is shifted.', live=True
    )

    def __post_init__(self) -> None:
        """Refuse wrong values, naming the parameter."""
        check(self, 'shift.')


@dataclass(frozen=True)
class ShiftState:
    """What one window showed.

    Attributes:
        shifted: Whether one of the two tests fired.
        exit_p: Chance of exits this far from the calibration's if nothing has shifted.
        confidence_p: Chance of confidences this far from the calibration's.
        difference: The difference in words.
    """

    shifted: bool
    exit_p: float
    confidence_p: float
    difference: str


class ShiftMonitor:
    """Compares the answers given at one setting of the thresholds with the model's calibration.

    Attributes:
        why_not: Reason why answers cannot be compared; '' if they are.
        last: State of the last complete window; None before the first.
    """

    why_not: str
    last: ShiftState | None

    def __init__(
        self,
        settings: ShiftSettings,
        metadata: ModelMetadata,
        thresholds: Sequence[float],
        exit_policy: str | None = None,
    ) -> None:
        """Start an empty window.

        Args:
            settings: Settings of the comparison.
            metadata: Metadata of the model, with or without `calibration_counts`.
            thresholds: Thresholds in use, one per early exit.
            exit_policy: Exit policy in use; None for the file's own.
        """
        self._settings = settings
        self._layers = np.array(metadata.answer_layers)
        shape = (len(self._layers), CONFIDENCE_BINS)
        table = np.array(metadata.calibration_counts or np.zeros(shape), np.int64)
        self._calibration = table
        self._tests = [
            HomogeneityTest(table.sum(axis), settings.window) for axis in (1, 0) if table.any()
        ]
        self._window = np.zeros(shape, np.int64)
        self._taken_s = -math.inf
        self.last = None
        self.why_not = self._obstacle(metadata, thresholds, exit_policy)

    @property
    def state(self) -> str:
        """The state in words: 'no', 'yes', 'not known yet', or 'not tested: ' and why."""
        if self.why_not:
            return f'not tested: {self.why_not}'
        if self.last is None:
            return 'not known yet'
        return 'yes' if self.last.shifted else 'no'

    @property
    def facts(self) -> dict[str, str]:
        """State and p-values of the last window, as diagnostics show them."""
        last = self.last
        return {
            'shift': self.state,
            'shift_exit_p': f'{last.exit_p:.3g}' if last else 'unknown',
            'shift_confidence_p': f'{last.confidence_p:.3g}' if last else 'unknown',
        }

    @property
    def warning(self) -> str:
        """Warning of what differs and what that means; '' unless the last window is shifted."""
        if self.last is None or not self.last.shifted:
            return ''
        return (
            f'distribution shift: {self.last.difference} in the last {self._settings.window} '
            'answers; these images are unlike those of the calibration: expect more wrong answers '
            'than were measured, confident ones too'
            + ('; the rate is at the floor (shift.slows)' if self.slows else '')
        )

    @property
    def slows(self) -> bool:
        """Whether the rate must be at the floor now."""
        return self._settings.slows and self.last is not None and self.last.shifted

    def answer(self, exit_index: int, confidence: float, now_s: float) -> bool:
        """Take an answer, unless the last one taken is younger than `every_s`.

        Args:
            exit_index: Exit at which the image left, 0..E.
            confidence: Confidence of the answer, 0..1.
            now_s: Steady clock, seconds.

        Returns:
            Whether the rate must be at the floor, as `slows` says.
        """
        if not self.why_not and now_s - self._taken_s >= self._settings.every_s:
            self._taken_s = now_s
            bin_index = min(int(confidence * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)
            self._window[exit_index, bin_index] += 1
            if self._window.sum() == self._settings.window:
                self.last = self._compare()
                self._window = np.zeros_like(self._window)
        return self.slows

    def _obstacle(
        self, metadata: ModelMetadata, thresholds: Sequence[float], exit_policy: str | None
    ) -> str:
        if not metadata.calibration_counts:
            return 'the model file holds no calibration counts'
        if exit_policy not in (None, metadata.policy):
            return 'the calibration used another exit policy'
        # In float32, as the network compares them.
        given, known = (
            np.array(values, np.float32) for values in (thresholds, metadata.default_thresholds)
        )
        if not np.array_equal(given, known):
            return 'the calibration used other thresholds'
        if all(test.bins < 2 for test in self._tests):
            return f'windows of {self._settings.window} answers are too small for this model'
        return ''

    def _compare(self) -> ShiftState:
        exit_p, confidence_p = (
            test.p_value(self._window.sum(axis))
            for test, axis in zip(self._tests, (1, 0), strict=True)
        )
        shifted = min(exit_p, confidence_p) < self._settings.false_alarm / 2
        layer, confidence = self._means(self._window)
        known_layer, known_confidence = self._means(self._calibration)
        return ShiftState(
            shifted,
            exit_p,
            confidence_p,
            f'exits {"deeper" if layer > known_layer else "shallower"} '
            f'(mean layer {layer:.1f}, calibration {known_layer:.1f}), '
            f'confidence {"lower" if confidence < known_confidence else "higher"} '
            f'(mean {confidence:.2f}, calibration {known_confidence:.2f})',
        )

    def _means(self, counts: Counts) -> tuple[float, float]:
        """Return the mean exit layer, and the mean confidence as far as bins tell it."""
        middles = (np.arange(CONFIDENCE_BINS) + 0.5) / CONFIDENCE_BINS
        total = counts.sum()
        return (
            float(self._layers @ counts.sum(1) / total),
            float(middles @ counts.sum(0) / total),
        )
