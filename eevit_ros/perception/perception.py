"""What a frame shows, and what that means for the robot. Without ROS.

Node and replay both run this, so that a frame gets the same answer and, at the same times, the same
rate and the same record from either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from eevit_ros.images.mounting import AS_IT_COMES, Mounting
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine, ExitResult
from eevit_ros.perception.shift import ShiftMonitor, ShiftSettings
from eevit_ros.perception.stamps import MISMATCH, USELESS, frame_age_ms
from eevit_ros.settings import group, parameter
from eevit_ros.speed.rate import MOST_CONTRAST, RateInput, RateLaw, RateSettings

CELLS = 8
"""Cells a side, each of which is averaged, so that the sensor's noise is no contrast."""

SAMPLES = 8
"""Least pixels a side of a cell that are averaged; all pixels of a large image take too long."""


@dataclass(frozen=True)
class PerceptionSettings:
    """How answers become a rate, and which frames count for it.

    Attributes:
        rate: Rate law.
        shift: Watch over distribution shift.
    """

    blind_below_contrast: float = parameter(
        2.0,
        'Frames with less contrast than this (standard deviation of brightness, `contrast` in '
        '/diagnostics) count as blind: a covered lens, darkness, a bare wall. They drop the rate '
        'to the floor. 0: off.',
        0.0,
        127.5,
        live=True,
    )
    rate: RateSettings = group(RateSettings, 'rate.')
    shift: ShiftSettings = group(ShiftSettings, 'shift.')


@dataclass(frozen=True)
class Observation:
    """What one frame shows.

    Attributes:
        result: Answer of the network; with regions, that to the hardest one.
        contrast: Standard deviation of the frame's brightness, 0..127.5.
        blind: Whether that is so little that the frame shows nothing, whatever the network says.
        region: With regions, the answer to one of them, each time to another one; else None.
    """

    result: ExitResult
    contrast: float
    blind: bool
    region: ExitResult | None = None


@dataclass(frozen=True)
class FrameRecord:
    """What is published and recorded of one frame.

    Attributes:
        result: Answer of the network.
        adaptive_rate: Rate after this frame, 0..1.
        age_ms: Milliseconds from the image's stamp to the answer; None where stamps do not tell.
        drops: Frames replaced by newer ones so far.
        model_hash: SHA-256 of the model file (hexadecimal).
        behind_s: Seconds from the image's stamp to the answer, by clocks that may disagree.
        useless_stamps: Whether the camera's stamps tell no age, whatever the clocks.
        mounting: What was done to the frame before the model's resize rule.
        region_exit_layers: Layers that ran for each region; None where the whole frame was asked.
    """

    result: ExitResult
    adaptive_rate: float
    age_ms: float | None
    drops: int
    model_hash: str
    behind_s: float = 0.0
    useless_stamps: bool = False
    mounting: Mounting = AS_IT_COMES
    region_exit_layers: str | None = None

    def values(self) -> dict[str, str]:
        """Return the values of ~/frame by name, in the order of the message."""
        result = self.result
        no_age = USELESS if self.useless_stamps else MISMATCH
        exits = self.region_exit_layers
        of_regions = {} if exits is None else {'region_exit_layers': exits}
        return {
            'label': result.class_name,
            'exit_layer': str(result.exit_layer),
            'depth': f'{result.depth:.6f}',
            'confidence': f'{result.confidence:.6f}',
            'adaptive_rate': f'{self.adaptive_rate:.6f}',
            'preprocess_ms': f'{result.preprocess_ms:.3f}',
            'inference_ms': f'{result.inference_ms:.3f}',
            'age_ms': no_age if self.age_ms is None else f'{self.age_ms:.3f}',
            'drops': str(self.drops),
            'mounting': self.mounting.text,
            'model_hash': self.model_hash,
            **of_regions,
        }


class Perception:
    """One camera's engine, rate law and watch over distribution shift.

    `observe` takes as long as the network does. All else is quick; where threads share it, call it
    under one lock. Times are seconds of one steady clock.

    Attributes:
        shift: Comparison of the answers with the model's calibration.
    """

    def __init__(self, engine: Engine, settings: PerceptionSettings | None = None) -> None:
        """Start at the floor, before the first answer."""
        self._engine = engine
        self._settings = settings or PerceptionSettings()
        self._law = RateLaw(self._settings.rate)
        self._regions_seen = 0
        self._watch_shift()

    def change(self, settings: PerceptionSettings) -> None:
        """Take changed settings, and the engine's thresholds if they have changed.

        A changed rate law starts at the floor, a changed watch over shift with an empty window.
        """
        before, self._settings = self._settings, settings
        if settings.rate != before.rate:
            self._law = RateLaw(settings.rate)
        if settings.shift != before.shift or self._engine.thresholds != self._thresholds:
            self._watch_shift()

    def observe(self, image: Image) -> Observation:
        """Classify a frame, uint8 (H, W, 3) RGB.

        Raises:
            EevitError: It cannot be classified.
        """
        found, blind = self.look(image)
        return Observation(self._engine.run(image), found, blind)

    def observe_regions(self, image: Image, results: Sequence[ExitResult]) -> Observation:
        """Return what a frame shows by the answers to its regions, at least one.

        The hardest one stands for the frame: that which calls for the lowest rate. Its times become
        those of all of them.
        """
        hardest = results[self.hardest(results)]
        all_of_them = replace(
            hardest,
            preprocess_ms=sum(result.preprocess_ms for result in results),
            inference_ms=sum(result.inference_ms for result in results),
        )
        self._regions_seen += 1
        # For the watch over shift, to which the hardest ones alone would look like a hard scene.
        one = results[self._regions_seen % len(results)]
        return Observation(all_of_them, *self.look(image), one)

    def hardest(self, results: Sequence[ExitResult]) -> int:
        """Return which answer calls for the lowest rate, by its place."""
        return min(range(len(results)), key=lambda index: self._ease(results[index]))

    def look(self, image: Image) -> tuple[float, bool]:
        """Return a frame's contrast, and whether that is blind."""
        found = contrast(image)
        return found, found < self._settings.blind_below_contrast

    def record(
        self,
        observation: Observation,
        *,
        stamp_ns: int,
        now_ns: int,
        now_s: float,
        doubtful: bool,
        drops: int,
        useless_stamps: bool = False,
        mounting: Mounting = AS_IT_COMES,
    ) -> FrameRecord:
        """Let the rate follow an observation; return the frame's record.

        Args:
            observation: What the frame shows.
            stamp_ns: Stamp of the frame, nanoseconds.
            now_ns: Time of the answer on the clock of the stamps, nanoseconds.
            now_s: Time of the answer on the steady clock, seconds.
            doubtful: Whether the frame may be an old one (frozen camera, stalled process): its
                answer must not make the robot faster.
            drops: Frames replaced by newer ones so far.
            useless_stamps: Whether the camera's stamps tell no age, see `stamps.StampWatch`.
            mounting: What was done to the frame before the model's resize rule.
        """
        result = observation.result
        age_ms = None if useless_stamps else frame_age_ms(stamp_ns, now_ns)
        if doubtful or observation.blind:
            rate = self._law.fault(now_s)
        else:
            age_s = None if age_ms is None else age_ms * 1e-3
            answer = RateInput(result.depth, result.confidence, age_s, observation.contrast)
            rate = self._law.update(answer, now_s)
            one = observation.region or result
            if self.shift.answer(one.exit_index, one.confidence, now_s):
                rate = self._law.fault(now_s)
        behind_s = (now_ns - stamp_ns) * 1e-9
        return FrameRecord(
            result,
            rate,
            age_ms,
            drops,
            self._engine.sha256,
            behind_s=behind_s,
            useless_stamps=useless_stamps,
            mounting=mounting,
        )

    def fault(self, now_s: float) -> float:
        """Take a frame that gave no answer; return the adaptive rate, the floor."""
        return self._law.fault(now_s)

    def no_evidence(
        self,
        seen: tuple[float, bool],
        age_ms: float | None,
        now_s: float,
        *,
        doubtful: bool,
        hold: bool,
    ) -> float:
        """Take a frame without a region to ask; return the adaptive rate.

        Args:
            seen: What `look` says of the frame.
            age_ms: Of the frame, milliseconds; None where stamps do not tell.
            now_s: Steady clock, seconds.
            doubtful: As for `record`.
            hold: Whether the rate does not rise, but else follows contrast and age; if not, it is
                as if no frame had come.
        """
        contrast, blind = seen
        if doubtful or blind:
            return self._law.fault(now_s)
        if not hold:
            return self._law.at(now_s)
        return self._law.hold(now_s, contrast, None if age_ms is None else age_ms * 1e-3)

    def rate_at(self, now_s: float) -> float:
        """Return the adaptive rate of this moment."""
        return self._law.at(now_s)

    def _ease(self, result: ExitResult) -> tuple[float, float, float]:
        answer = RateInput(result.depth, result.confidence, 0.0, MOST_CONTRAST)
        return self._law.target(answer, 0.0), -result.depth, result.confidence

    def _watch_shift(self) -> None:
        engine, self._thresholds = self._engine, self._engine.thresholds
        self.shift = ShiftMonitor(
            self._settings.shift, engine.metadata, self._thresholds, engine.exit_policy
        )


def contrast(image: Image) -> float:
    """Return the standard deviation of an RGB frame's brightness, coarsely: 0 (even) to 127.5."""
    height, width = image.shape[:2]
    step = max(1, min(height, width) // (CELLS * SAMPLES))
    few = image[::step, ::step]
    pixels = np.empty(few.shape, np.uint8)
    for channel in range(3):  # NumPy copies rows faster than pixels of three bytes
        pixels[:, :, channel] = few[:, :, channel]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    # In floating point: rounded to whole numbers, an even grey between two of them has contrast.
    cells = min(CELLS, grey.shape[1]), min(CELLS, grey.shape[0])
    mean = cv2.resize(grey.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    return float(cv2.meanStdDev(mean)[1][0, 0])
