"""What a frame shows, and what that means for the robot. Without ROS.

The node's session and the replay of bags both run this, so that a frame gets the same answer and,
at the same times, the same rate from either.
"""

from __future__ import annotations

from dataclasses import dataclass

from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine, ExitResult
from eevit_ros.parameters.classifier import Settings
from eevit_ros.perception.blind_camera import contrast
from eevit_ros.perception.shift import ShiftMonitor
from eevit_ros.speed.rate import Answer, RateLaw


@dataclass(frozen=True)
class Look:
    """What one frame shows.

    Attributes:
        result: The network's answer.
        contrast: Of the frame, 0..127.5.
        blind: Whether that is so little that the frame shows nothing, whatever the network says.
    """

    result: ExitResult
    contrast: float
    blind: bool


class Perception:
    """One camera's engine, rate law and watch over distribution shift.

    `look` takes as long as the network does. All else is quick; where threads share it, under one
    lock. Times are seconds of one steady clock.

    Attributes:
        shift: Compares the answers with the model's calibration.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        """Start at the floor, with nothing answered yet."""
        self._engine = engine
        self._settings = settings
        self._law = RateLaw(settings.rate)
        self.shift = self._watch_shift()

    def change(self, settings: Settings) -> None:
        """Take changed live parameters; a changed rate law goes on from the floor."""
        before, self._settings = self._settings, settings
        if settings.rate != before.rate:
            self._law = RateLaw(settings.rate)
        if (settings.thresholds, settings.shift) != (before.thresholds, before.shift):
            self.shift = self._watch_shift()

    def look(self, image: Image) -> Look:
        """Classify a frame, uint8 (H, W, 3) RGB.

        Raises:
            EevitError: It cannot be classified.
        """
        seen = contrast(image)
        result = self._engine.run(image)
        return Look(result, seen, seen < self._settings.blind_below_contrast)

    def judge(self, look: Look, *, age_ms: float | None, now_s: float, doubtful: bool) -> float:
        """Take an answer; return the adaptive rate.

        Args:
            look: What the frame shows.
            age_ms: From the frame's stamp to now; None where clocks do not agree.
            now_s: Time of the answer.
            doubtful: Whether the frame may be an old one (frozen camera, held-up process): its
                answer must not make the robot faster.
        """
        if doubtful or look.blind:
            return self._law.fault(now_s)
        result = look.result
        age_s = None if age_ms is None else age_ms * 1e-3
        rate = self._law.answer(Answer(result.depth, result.confidence, age_s), now_s)
        self.shift.answer(result.exit_index, result.confidence, now_s)
        return self._law.fault(now_s) if self.shift.slows else rate

    def fault(self, now_s: float) -> float:
        """Take a frame that gave no answer; return the adaptive rate, the floor."""
        return self._law.fault(now_s)

    def rate_at(self, now_s: float) -> float:
        """Return the adaptive rate of this moment."""
        return self._law.at(now_s)

    def _watch_shift(self) -> ShiftMonitor:
        engine = self._engine
        return ShiftMonitor(
            self._settings.shift, engine.metadata, engine.thresholds, engine.exit_policy
        )
