"""The adaptive rate: from what the network says of each frame to how fast the robot may go.

1 means the nominal rate, the floor means perception is at its hardest or absent; never 0.

Each answer has a target: the lowest of the chosen mappings (`_MAPPINGS`), each of which falls or
stays when the answer is deeper, less sure or older or when the frame interval is longer. Frame
interval: from the last answer or fault to this one.

Between two answers the rate r follows the latest target T and the ceiling U, the lowest target of
the last `easy_frames` answers (so U <= T):

    r > T        falls:   dr/dt = -(r - T) / attack_s
    U <= r <= T  stays
    r < U        rises:   dr/dt = release_per_s, up to U

"`easy_frames` frames in a row above the present rate" is thus asked of the rate at every moment,
not once per frame. That makes the law monotone: for every r, dr/dt never falls when T or U grow,
and U never falls when a target grows. Two runs with answers or faults at the same times have the
same frame intervals, so the run whose frames are nowhere easier (deeper, less sure, older) has
nowhere the higher target and hence nowhere the higher rate. A counter of easy frames has no such
property: a low rate counts frames as easy that a higher rate does not, and may then overtake it.
Staleness and faults put the rate and every remembered target to the floor: the lowest state there
is.

All three cases have closed solutions, so the rate depends on the answers and on time, never on how
often somebody looks.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from eevit_ros.errors import EevitError

LOWEST_FLOOR = 0.01  # as float32 or in percent still clearly not 0, which Nav2 takes for 'no limit'
MOST_EASY_FRAMES = 1000
PHYSICAL_RANGE = (0.001, 1000.0)  # seconds, metres, metres per second and per second squared


@dataclass(frozen=True)
class Answer:
    """What the network said of one frame.

    Attributes:
        depth: Share of the layers that ran, 0..1.
        confidence: Probability of the answer, 0..1.
        age_s: Seconds from the image's stamp to the answer; None where the clocks do not agree.
    """

    depth: float
    confidence: float
    age_s: float | None = None


@dataclass(frozen=True)
class RateSettings:
    """How answers become a rate; checks itself.

    Attributes:
        floor: The lowest rate, 0.01..1.
        mappings: The mappings whose lowest value is the target, one or more of `MAPPINGS`.
        easy_depth: `depth`: up to this depth 1, from there linearly to the floor at depth 1.
        easy_confidence: `confidence`: 1 from this confidence up, from there linearly down to the
            floor at `min_confidence`, which must be lower.
        reference_cycle_s: `latency`: 1 up to this perception cycle (age plus frame interval),
            beyond it the rate falls so that the distance driven during one cycle stays the same.
        max_speed_mps: `stopping_distance`: the speed, m/s, that a rate of 1 stands for.
        deceleration_mps2: `stopping_distance`: what the brakes reach, m/s^2.
        sight_distance_m: `stopping_distance`: how far off things are seen, metres.
        attack_s: Time constant downwards, seconds; 0 falls at once.
        release_per_s: Largest slope upwards, rate per second.
        easy_frames: This many answers in a row must be above a rate before it is risen to, 1..1000.
        min_confidence: An answer below this is as good as none, whatever exit gave it: floor at
            once.
        stale_after_s: Without an answer for this long, seconds, the rate is at the floor.
    """

    floor: float = 0.2
    mappings: tuple[str, ...] = ('depth',)
    easy_depth: float = 0.5
    easy_confidence: float = 0.9
    reference_cycle_s: float = 0.2
    max_speed_mps: float = 1.0
    deceleration_mps2: float = 1.0
    sight_distance_m: float = 2.0
    attack_s: float = 0.15
    release_per_s: float = 0.5
    easy_frames: int = 3
    min_confidence: float = 0.3
    stale_after_s: float = 0.3

    def __post_init__(self) -> None:
        """Refuse values out of range, naming the one at fault."""
        self._require('floor', LOWEST_FLOOR <= self.floor <= 1, f'within [{LOWEST_FLOOR}, 1]')
        known = bool(self.mappings) and all(name in _MAPPINGS for name in self.mappings)
        self._require('mappings', known, f'one or more of {", ".join(MAPPINGS)}')
        for name in ('easy_depth', 'easy_confidence', 'min_confidence'):
            self._require(name, 0 <= getattr(self, name) <= 1, 'within [0, 1]')
        if known and 'confidence' in self.mappings:  # else it would be 1 for every sure answer
            lower = f'rate.min_confidence ({self.min_confidence!r})'
            rule = f"above {lower} for the mapping 'confidence'"
            self._require('easy_confidence', self.easy_confidence > self.min_confidence, rule)
        low, high = PHYSICAL_RANGE
        for name in ('reference_cycle_s', 'max_speed_mps', 'deceleration_mps2', 'sight_distance_m'):
            self._require(name, low <= getattr(self, name) <= high, f'within [{low}, {high}]')
        self._require('attack_s', 0 <= self.attack_s < math.inf, '0 or more')
        self._require('release_per_s', 0 < self.release_per_s < math.inf, 'above 0')
        whole = isinstance(self.easy_frames, int) and 1 <= self.easy_frames <= MOST_EASY_FRAMES
        self._require('easy_frames', whole, f'a whole number within [1, {MOST_EASY_FRAMES}]')
        self._require('stale_after_s', 0 < self.stale_after_s < math.inf, 'above 0')

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise EevitError(f'rate.{name} must be {rule}. Got {getattr(self, name)!r}')


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

    def target(self, answer: Answer, interval_s: float) -> float:
        """Return the rate that answers like this one, `interval_s` apart, lead to.

        Returns:
            Within [floor, 1]; the floor where a value is no number or out of range. Where age or
            interval are unknown (None, infinite), the mappings that need them say the floor.
        """
        settings = self._settings
        if _is_fault(settings, answer):
            return settings.floor
        cycle_s = _cycle_s(answer, interval_s)
        lowest = min(_MAPPINGS[name](settings, answer, cycle_s) for name in settings.mappings)
        return min(1.0, max(settings.floor, lowest))

    def answer(self, answer: Answer, now_s: float) -> float:
        """Take an answer of the network; return the rate at `now_s`."""
        if _is_fault(self._settings, answer) or not now_s >= self._since_s:
            return self.fault(now_s)
        target = self.target(answer, now_s - self._since_s)  # the first interval is infinite
        if self._is_stale(now_s):
            self.fault(now_s)
        self._rate = self.at(now_s)
        self._since_s = now_s
        self._targets.append(target)
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


def _is_fault(settings: RateSettings, answer: Answer) -> bool:
    shares = 0 <= answer.depth <= 1 and 0 <= answer.confidence <= 1  # neither is true of NaN
    age = answer.age_s is None or 0 <= answer.age_s < math.inf
    return not (shares and age) or answer.confidence < settings.min_confidence


def _cycle_s(answer: Answer, interval_s: float) -> float:
    """How long ago the scene may have changed unseen: the answer's age and one more frame."""
    if answer.age_s is None or not interval_s >= 0:
        return math.inf
    return answer.age_s + interval_s


def _by_depth(settings: RateSettings, answer: Answer, cycle_s: float) -> float:
    return _ramp(settings.floor, -answer.depth, -1.0, -settings.easy_depth)


def _by_confidence(settings: RateSettings, answer: Answer, cycle_s: float) -> float:
    easy = settings.easy_confidence
    return _ramp(settings.floor, answer.confidence, settings.min_confidence, easy)


def _by_latency(settings: RateSettings, answer: Answer, cycle_s: float) -> float:
    # speed * cycle = constant
    return settings.reference_cycle_s / max(settings.reference_cycle_s, cycle_s)


def _by_stopping_distance(settings: RateSettings, answer: Answer, cycle_s: float) -> float:
    # The positive v of v * t + v^2 / (2 a) = d, so written that a long t cancels no digits.
    distance, deceleration = settings.sight_distance_m, settings.deceleration_mps2
    root = math.hypot(cycle_s, math.sqrt(2 * distance / deceleration))
    return 2 * distance / (cycle_s + root) / settings.max_speed_mps


def _ramp(floor: float, value: float, hard: float, easy: float) -> float:
    """Linear from the floor at `hard` to 1 at `easy`; `value` is at least `hard`."""
    if value >= easy:
        return 1.0
    return floor + (1 - floor) * (value - hard) / (easy - hard)


_MAPPINGS: dict[str, Callable[[RateSettings, Answer, float], float]] = {
    'depth': _by_depth,
    'confidence': _by_confidence,
    'latency': _by_latency,
    'stopping_distance': _by_stopping_distance,
}
MAPPINGS = tuple(_MAPPINGS)
