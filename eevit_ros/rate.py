"""The adaptive rate: from how deep the network had to go to how fast the robot may.

1 means the nominal rate, the floor means perception is at its hardest or absent; never 0.

Between two answers the rate r follows the latest target T and the ceiling U, the lowest target of
the last `easy_frames` answers (so U <= T):

    r > T        falls:   dr/dt = -(r - T) / attack_s
    U <= r <= T  stays
    r < U        rises:   dr/dt = release_per_s, up to U

"`easy_frames` frames in a row above the present rate" is thus asked of the rate at every moment,
not once per frame. That makes the law monotone: for every r, dr/dt never falls when T or U grow,
and U never falls when a target grows, so of two runs with answers at the same times the one with
the harder frames has nowhere the higher rate. A counter of easy frames has no such property: a low
rate counts frames as easy that a higher rate does not, and may then overtake it. Staleness and
faults put the rate and every remembered target to the floor: the lowest state there is.

All three cases have closed solutions, so the rate depends on the answers and on time, never on how
often somebody looks.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from eevit_ros.errors import EevitError

LOWEST_FLOOR = 0.01  # as float32 or in percent still clearly not 0, which Nav2 takes for 'no limit'
MOST_EASY_FRAMES = 1000


@dataclass(frozen=True)
class RateSettings:
    """How depth becomes a rate; checks itself.

    Attributes:
        floor: The lowest rate, 0.01..1.
        easy_depth: Depth (share of the layers) up to which the target is 1; from there it falls
            linearly to the floor at depth 1.
        attack_s: Time constant downwards, seconds; 0 falls at once.
        release_per_s: Largest slope upwards, rate per second.
        easy_frames: This many answers in a row must be above a rate before it is risen to, 1..1000.
        min_confidence: An answer of the final exit below this is as good as none: floor at once.
        stale_after_s: Without an answer for this long, seconds, the rate is at the floor.
    """

    floor: float = 0.2
    easy_depth: float = 0.5
    attack_s: float = 0.15
    release_per_s: float = 0.5
    easy_frames: int = 3
    min_confidence: float = 0.3
    stale_after_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values out of range, naming the one at fault."""
        _require(
            'floor', LOWEST_FLOOR <= self.floor <= 1, self.floor, f'within [{LOWEST_FLOOR}, 1]'
        )
        _require('easy_depth', 0 <= self.easy_depth <= 1, self.easy_depth, 'within [0, 1]')
        _require('attack_s', 0 <= self.attack_s < math.inf, self.attack_s, '0 or more')
        _require('release_per_s', 0 < self.release_per_s < math.inf, self.release_per_s, 'above 0')
        _require(
            'easy_frames',
            isinstance(self.easy_frames, int) and 1 <= self.easy_frames <= MOST_EASY_FRAMES,
            self.easy_frames,
            f'a whole number within [1, {MOST_EASY_FRAMES}]',
        )
        _require(
            'min_confidence', 0 <= self.min_confidence <= 1, self.min_confidence, 'within [0, 1]'
        )
        _require('stale_after_s', 0 < self.stale_after_s < math.inf, self.stale_after_s, 'above 0')


class RateLaw:
    """The rate of one camera over time; starts at the floor.

    All times are seconds of one steady clock, passed in: the law reads no clock. Time must not run
    backwards from call to call (a caller with threads reads the clock and calls under one lock);
    where it does, or is NaN, the rate is the floor.
    """

    def __init__(self, settings: RateSettings) -> None:
        """Start at the floor, with nothing answered yet."""
        self._settings = settings
        self._since_s = -math.inf  # time of the last answer or fault
        self._rate = settings.floor  # at that time
        self._targets = deque([settings.floor] * settings.easy_frames, settings.easy_frames)

    def target(self, depth: float, confidence: float, is_final: bool) -> float:
        """Return the rate that answers like this one lead to.

        Args:
            depth: Share of the layers that ran, 0..1.
            confidence: Probability of the answer, 0..1.
            is_final: Whether the final classifier answered.

        Returns:
            Within [floor, 1]; the floor where a value is no number or out of range.
        """
        settings = self._settings
        if _is_fault(settings, depth, confidence, is_final):
            return settings.floor
        if depth <= settings.easy_depth:
            return 1.0
        hardness = (depth - settings.easy_depth) / (1 - settings.easy_depth)
        return max(settings.floor, 1 - (1 - settings.floor) * hardness)

    def answer(self, depth: float, confidence: float, is_final: bool, now_s: float) -> float:
        """Take an answer of the network, arguments as for `target`; return the rate at `now_s`."""
        if _is_fault(self._settings, depth, confidence, is_final) or not now_s >= self._since_s:
            return self.fault(now_s)
        if self._is_stale(now_s):
            self.fault(now_s)
        self._rate = self.at(now_s)
        self._since_s = now_s
        self._targets.append(self.target(depth, confidence, is_final))
        return self.at(now_s)

    def fault(self, now_s: float) -> float:
        """Take a frame without a usable answer: the floor at once, and a fresh start from there."""
        self._rate = self._settings.floor
        self._since_s = now_s
        self._targets.extend([self._settings.floor] * self._settings.easy_frames)
        return self._rate

    def at(self, now_s: float) -> float:
        """Return the rate at `now_s`; the floor when no answer is younger than `stale_after_s`."""
        if self._is_stale(now_s):
            return self._settings.floor
        elapsed_s = now_s - self._since_s
        rate, target, ceiling = self._rate, self._targets[-1], min(self._targets)
        if rate > target:
            attack_s = self._settings.attack_s
            decay = math.exp(-elapsed_s / attack_s) if attack_s > 0 else 0.0
            return min(rate, target + (rate - target) * decay)  # rounding must not lift it
        if rate < ceiling:
            return min(ceiling, rate + self._settings.release_per_s * elapsed_s)
        return rate

    def _is_stale(self, now_s: float) -> bool:
        # So written that NaN and a time before the last answer count as stale.
        return not 0 <= now_s - self._since_s < self._settings.stale_after_s


def _is_fault(settings: RateSettings, depth: float, confidence: float, is_final: bool) -> bool:
    if not (0 <= depth <= 1 and 0 <= confidence <= 1):  # also true of NaN
        return True
    return is_final and confidence < settings.min_confidence


def _require(name: str, holds: bool, value: object, rule: str) -> None:
    if not holds:
        raise EevitError(f'rate.{name} must be {rule}. Got {value!r}')
