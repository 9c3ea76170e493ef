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
from eevit_ros.speed.rate import RateSettings

DEFAULTS = RateSettings()
HARD_RISK = 0.7  # probability of a wrong answer that calls for the floor
MEAN_SHARE, ADAPTS_S = 0.6, 10.0  # of a law that adapts: what it keeps, and how slowly


@dataclass(frozen=True)
class Smoothing:
    """How targets become a rate in time; the parameters of the same names.

    Attributes:
        in_metres: Whether the times hold at full speed and grow as the robot slows down, so that
            the rate follows over a distance.
    """

    attack_s: float = DEFAULTS.attack_s
    release_per_s: float = DEFAULTS.release_per_s
    easy_frames: int = DEFAULTS.easy_frames
    in_metres: bool = False


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
        least: An answer below this confidence counts as none, as in selective prediction.
        adapts: Whether shares are moved so that their mean stays at `MEAN_SHARE`, in the spirit of
            thresholds that are adapted online (UAT, arXiv 2509.23666). It is not monotone: hard
            frames now make later ones count as easier. An anchor, never a candidate.
    """

    share: Share
    knobs: tuple[float, ...]
    smoothing: Smoothing = Smoothing()
    faults: bool = True
    disagreeing: float = 1.0
    least: float = DEFAULTS.min_confidence
    adapts: bool = False


class LawDriver:
    """Drives all paths by all settings of a law."""

    def __init__(self, law: Law, frames: Frames) -> None:
        """Start at the floor."""
        self.settings = len(law.knobs)
        shares = np.array([law.share(frames, knob) for knob in law.knobs], np.float32)
        self._shares = shares
        self._labels, self._label = frames.label, np.array(-1)
        self._disagreeing = law.disagreeing
        unsure = frames.confidence < law.least
        self._faults: Flags = (unsure | frames.blind) & law.faults
        self._smoothing, self._adapts = law.smoothing, law.adapts
        self._mean: Values = np.array(MEAN_SHARE)
        self._rate: Values = np.array(FLOOR)
        self._last: list[Values] = [np.array(FLOOR)] * law.smoothing.easy_frames

    def desired_mps(self, frame: Places, arrived_m: Values) -> Values:
        """Take the answers to a frame."""
        rows = np.arange(self.settings)[:, np.newaxis]
        share, fault = self._shares[rows, frame].astype(np.float64), self._faults[frame]
        before, self._label = self._label, self._labels[frame]
        share *= np.where(self._label == before, 1, self._disagreeing)
        if self._adapts:
            self._mean = self._mean + (share - self._mean) * FRAME_INTERVAL_S / ADAPTS_S
            share = np.clip(share + MEAN_SHARE - self._mean, 0, 1)
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
    passes: float | Values = elapsed_s * rate if smoothing.in_metres else elapsed_s
    attack_s = smoothing.attack_s
    decay = np.exp(-passes / attack_s) if attack_s > 0 else 0.0
    fallen = np.minimum(rate, target + (rate - target) * decay)
    risen = np.minimum(ceiling, rate + smoothing.release_per_s * passes)
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


def by_contrast(frames: Frames, knob: float) -> Values:
    """The mapping `contrast`; the knob is `easy_contrast`."""
    return _ramp(frames.contrast, 0.0, knob)


def with_contrast(share: Share, easy: float) -> Share:
    """Another mapping and `contrast`, whose `easy_contrast` is `easy`; the knob is the other's."""
    return lambda frames, knob: np.minimum(share(frames, knob), by_contrast(frames, easy))


def by_brightness(frames: Frames, knob: float) -> Values:
    """The picture's brightness, without the network; the knob is the least for full speed."""
    return _ramp(frames.brightness, 0.0, knob)


def by_risk(table: Values) -> Share:
    """The probability of a wrong answer, given exit and confidence; the knob is the easy one.

    Args:
        table: float64 (exits, bins), see `seen.risk.risk_table`.
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
CONTRASTS = (10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
RISKS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
BRIGHTNESSES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)


def candidates(risk: Values) -> dict[str, Law]:
    """Return the laws that were tried, each with all settings of its knob.

    Args:
        risk: See `seen.risk.risk_table`.
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
    contrast = {'contrast': Law(by_contrast, CONTRASTS)} | {
        f'{name}+contrast {easy}': replace(laws[name], share=with_contrast(laws[name].share, easy))
        for name in ('depth', 'risk')
        for easy in (20, 30, 40)
    }
    both = contrast['depth+contrast 20']
    metres = replace(both.smoothing, in_metres=True)
    variants = {
        'agreement': replace(both, disagreeing=0.5),
        'strict agreement': replace(both, disagreeing=0.0),
        **{
            f'abstention {least}': replace(both, least=least)
            for least in (0.5, 0.6, 0.65, 0.7, 0.8)
        },
        'metres': replace(both, smoothing=metres),
    }
    unsure = {
        f'depth+abstention {least}': replace(laws['depth'], least=least) for least in (0.6, 0.7)
    }
    return {
        **laws,
        **agreeing,
        **unsure,
        **contrast,
        **{f'depth+contrast 20+{name}': law for name, law in variants.items()},
        'adapting depth': replace(laws['depth'], adapts=True),
        'brightness': Law(by_brightness, BRIGHTNESSES, faults=False),
    }


def reported() -> dict[str, tuple[Law, int]]:
    """Return the laws that are reported, each with the number of its reported setting.

    The first are the node's defaults; each of the others but the last is a set of the node's
    parameters.
    """
    depth, both = Law(by_depth, DEPTHS), Law(with_contrast(by_depth, 20.0), DEPTHS)
    quick = Smoothing(attack_s=0.5, release_per_s=1.0, easy_frames=1)
    quicker = replace(quick, release_per_s=2.0)
    found = {
        'node defaults': (depth, 0.5),
        'first drive': (replace(depth, smoothing=Smoothing(attack_s=1.0, easy_frames=1)), 0.5),
        'defaults+contrast': (both, 0.5),
        'depth+contrast': (replace(both, smoothing=quick), 0.59),
        'contrast+abstention': (replace(both, smoothing=quicker, least=0.65), 0.59),
        'brightness': (Law(by_brightness, BRIGHTNESSES, quick, faults=False), 0.4),
    }
    return {name: (law, law.knobs.index(knob)) for name, (law, knob) in found.items()}
