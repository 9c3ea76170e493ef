"""Laws from answers to speed, many settings of each at once, and the settings that are reported.

All but the light sensor are the real rate law (`eevit_ros.speed.rate`) with another mapping from
an answer to a target. The settings were chosen on the development paths, and committed before a
report path was driven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from drive.journey import FRAME_INTERVAL_S
from drive.robot import FLOOR
from drive.study.fleet import Flags, Frames, Places, Values, bounded_mps
from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.speed.rate import RateSettings

DEFAULTS = RateSettings()
BLIND = PerceptionSettings().blind_below_contrast
HARD_RISK = 0.7  # probability of a wrong answer that calls for the floor


@dataclass(frozen=True)
class Smoothing:
    """How targets become a rate in time; the parameters of the same names."""

    attack_s: float = DEFAULTS.attack_s
    release_per_s: float = DEFAULTS.release_per_s
    easy_frames: int = DEFAULTS.easy_frames


Share = Callable[[Frames, float], Values]
"""(frames, knob) -> 0 for the floor to 1 for full speed, of each frame."""


@dataclass(frozen=True)
class Law:
    """One law.

    Attributes:
        share: What answers call for.
        knobs: Settings of what makes it more or less careful.
        smoothing: How the rate follows.
        faults: Whether unsure and blind frames drop the rate to the floor at once.
        disagreeing: What is left of a share where the label is not that of the frame before.
    """

    share: Share
    knobs: tuple[float, ...]
    smoothing: Smoothing = Smoothing()
    faults: bool = True
    disagreeing: float = 1.0


class LawDriver:
    """Drives all paths by all settings of a law."""

    def __init__(self, law: Law, frames: Frames) -> None:
        """Start at the floor."""
        self.settings = len(law.knobs)
        shares = np.array([law.share(frames, knob) for knob in law.knobs], np.float32)
        self._shares = shares
        self._labels, self._label = frames.label, np.array(-1)
        self._disagreeing = law.disagreeing
        unsure = frames.confidence < DEFAULTS.min_confidence
        self._faults: Flags = (unsure | frames.blind) & law.faults
        self._smoothing = law.smoothing
        self._rate: Values = np.array(FLOOR)
        self._last: list[Values] = [np.array(FLOOR)] * law.smoothing.easy_frames

    def desired_mps(self, frame: Places, arrived_m: Values) -> Values:
        """Take the answers to a frame."""
        rows = np.arange(self.settings)[:, np.newaxis]
        share, fault = self._shares[rows, frame].astype(np.float64), self._faults[frame]
        before, self._label = self._label, self._labels[frame]
        share *= np.where(self._label == before, 1, self._disagreeing)
        target = FLOOR + (1 - FLOOR) * share
        rate = follow(self._rate, self._last, self._smoothing, FRAME_INTERVAL_S)
        self._last = [*self._last[1:], target]
        rate = follow(rate, self._last, self._smoothing, 0.0)
        rate_before, self._rate = self._rate, np.where(fault, FLOOR, rate)
        self._last = [np.where(fault, FLOOR, one) for one in self._last]
        # The governor publishes a fall at once, a rise with its timer.
        return bounded_mps(np.minimum(rate_before, self._rate))


def follow(rate: Values, targets: list[Values], smoothing: Smoothing, elapsed_s: float) -> Values:
    """Return the rate some time after an answer, as `RateLaw.at` does for one robot.

    Args:
        rate: When the answer came.
        targets: The last `easy_frames` targets, the latest last.
        smoothing: How the rate follows.
        elapsed_s: Since then.
    """
    target, ceiling = targets[-1], np.minimum.reduce(np.broadcast_arrays(*targets))
    attack_s = smoothing.attack_s
    decay = np.exp(-elapsed_s / attack_s) if attack_s > 0 else 0.0
    fallen = np.minimum(rate, target + (rate - target) * decay)
    risen = np.minimum(ceiling, rate + smoothing.release_per_s * elapsed_s)
    found: Values = np.where(rate > target, fallen, np.where(rate < ceiling, risen, rate))
    return found


def by_depth(frames: Frames, knob: float) -> Values:
    """The mapping `depth`; the knob is `easy_depth`."""
    return _ramp(-frames.depth, -1.0, -knob)


def by_confidence(frames: Frames, knob: float) -> Values:
    """The mapping `confidence`; the knob is `easy_confidence`."""
    return _ramp(frames.confidence, DEFAULTS.min_confidence, knob)


def by_both(frames: Frames, knob: float) -> Values:
    """The mappings `depth` and `confidence`; the knob is `easy_depth`."""
    return np.minimum(by_depth(frames, knob), by_confidence(frames, DEFAULTS.easy_confidence))


def by_contrast(easy: float) -> Share:
    """The mapping `depth`, and as another the contrast; the knob is `easy_depth`.

    Args:
        easy: Contrast from which on it allows full speed; the floor is where a frame is blind.
    """

    def share(frames: Frames, knob: float) -> Values:
        return np.minimum(by_depth(frames, knob), _ramp(frames.contrast, BLIND, easy))

    return share


def by_brightness(frames: Frames, knob: float) -> Values:
    """The picture's brightness, without the network; the knob is the least for full speed."""
    return _ramp(frames.brightness, 0.0, knob)


def by_risk(table: Values) -> Share:
    """The probability of a wrong answer, given exit and confidence; the knob is the easy one.

    Args:
        table: float64 (exits, bins), see `risk.risk_table`.
    """

    def share(frames: Frames, knob: float) -> Values:
        bins = table.shape[1]
        column = (frames.confidence * bins).astype(int).clip(0, bins - 1)
        return _ramp(-table[frames.exit, column], -HARD_RISK, -knob)

    return share


def _ramp(value: Values, hard: float, easy: float) -> Values:
    shares: Values = np.where(value >= easy, 1.0, np.clip((value - hard) / (easy - hard), 0.0, 1.0))
    return shares


DEPTHS = (0.25, 0.34, 0.42, 0.5, 0.59, 0.67, 0.84)
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
RISKS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
BRIGHTNESSES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)


def candidates(risk: Values) -> dict[str, Law]:
    """Return the laws that were tried, each with all settings of its knob.

    Args:
        risk: See `risk.risk_table`.
    """
    laws = {
        'depth': Law(by_depth, DEPTHS),
        'confidence': Law(by_confidence, CONFIDENCES),
        'depth+confidence': Law(by_both, DEPTHS),
        'risk': Law(by_risk(risk), RISKS),
    }
    agreeing = {
        f'{name}+{kind}': replace(law, disagreeing=share)
        for name, law in laws.items()
        for kind, share in (('agreement', 0.5), ('strict agreement', 0.0))
    }
    contrast = {f'depth+contrast {easy}': Law(by_contrast(easy), DEPTHS) for easy in (20, 30, 40)}
    brightness = Law(by_brightness, BRIGHTNESSES, faults=False)
    return {**laws, **agreeing, **contrast, 'brightness': brightness}


def reported(risk: Values) -> dict[str, tuple[Law, int]]:
    """Return the laws that are reported, each with the number of its reported setting."""
    tried = candidates(risk)

    def chosen(name: str, knob: float, smoothing: Smoothing) -> tuple[Law, int]:
        law = replace(tried[name], smoothing=smoothing)
        return law, law.knobs.index(knob)

    default, quick = Smoothing(), Smoothing(attack_s=0.5, release_per_s=1.0, easy_frames=1)
    return {
        'node defaults': chosen('depth', 0.5, default),
        'first drive': chosen('depth', 0.5, Smoothing(attack_s=1.0, easy_frames=1)),
        'depth+confidence': chosen('depth+confidence', 0.34, default),
        'depth+contrast': chosen('depth+contrast 20', 0.59, quick),
        'risk+agreement': chosen('risk+strict agreement', 0.1, quick),
        'brightness': chosen('brightness', 0.4, quick),
    }
