"""The adaptive rate: how fast the robot may go, from what the network says of each frame.

1 is the nominal rate; the floor means perception is at its hardest or absent; it is never 0.

Each answer has a target: the lowest of the chosen mappings (`_MAPPINGS`), each of which falls or
stays when the answer is deeper, less sure or older, when the frame has less contrast or when the
frame interval is longer. Frame interval: from the last answer or fault to this one.

Between two answers the rate r follows the latest target T and the ceiling U, the lowest target of
the last `easy_frames` answers (so U <= T):

    r > T        falls:   dr/dt = -(r - T) / attack_s
    U <= r <= T  stays
    r < U        rises:   dr/dt = release_per_s, up to U

"`easy_frames` frames in a row above the present rate" thus holds at every moment, not per frame.
That makes the law monotone: for every r, dr/dt never falls when T or U grow, and U never falls when
a target grows. Two runs with answers or faults at the same times have the same frame intervals, so
the run whose frames are nowhere easier has nowhere the higher target and hence nowhere the higher
rate. A counter of easy frames would break that: a low rate counts frames as easy that a higher rate
does not, and may then overtake it. Staleness and faults put the rate and every remembered target to
the floor, the lowest state there is.

All three cases have closed solutions, so the rate depends on the answers and on time, never on how
often it is read.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from eevit_ros.errors import EevitError
from eevit_ros.settings import check, parameter

LOWEST_FLOOR = 0.01  # as float32 or in percent still clearly not 0, which Nav2 takes for 'no limit'
SHARE = (0.0, 1.0)
PHYSICAL_RANGE = (0.001, 1000.0)  # seconds, metres, metres per second and per second squared
MAPPINGS = ('depth', 'confidence', 'contrast', 'latency', 'stopping_distance')
MOST_CONTRAST = 127.5  # half of the frame black, half white
NEED_AGE = ('latency', 'stopping_distance')


@dataclass(frozen=True)
class RateInput:
    """What the rate depends on: the network's answer to one frame, and the frame itself.

    Attributes:
        depth: Share of the layers that ran, 0..1.
        confidence: Probability of the answer, 0..1.
        age_s: Seconds from the image's stamp to the answer; None if the clocks disagree.
        contrast: Standard deviation of the frame's brightness, 0..127.5; None if not measured.
    """

    depth: float
    confidence: float
    age_s: float | None = None
    contrast: float | None = None


@dataclass(frozen=True)
class RateSettings:
    """How answers become a rate: the parameters `rate.*`; checks itself."""

    floor: float = parameter(
        0.2,
        "Lowest adaptive rate; never 0. Set it and the governor's floor together.",
        LOWEST_FLOOR,
        1.0,
        live=True,
    )
    mappings: tuple[str, ...] = parameter(
        ['depth'],
        'What sets the rate; with several, the lowest counts. See docs/adaptive_rate.md.',
        choices=MAPPINGS,
        live=True,
    )
    easy_depth: float = parameter(
        0.5, 'depth: rate 1 up to this depth (exit layer / layers), floor at 1.', *SHARE, live=True
    )
    easy_confidence: float = parameter(
        0.9, 'confidence: rate 1 from here up, floor at min_confidence.', *SHARE, live=True
    )
    easy_contrast: float = parameter(
        20.0,
        'contrast: rate 1 from this contrast of the frame up (`contrast` in /diagnostics), floor '
        'at 0.',
        0.1,
        MOST_CONTRAST,
        live=True,
    )
    reference_cycle_s: float = parameter(
        0.2,
        'latency: the rate is 1 up to this age of the answer plus frame interval, seconds; beyond '
        'it the robot drives the same distance in each cycle.',
        *PHYSICAL_RANGE,
        live=True,
    )
    max_speed_mps: float = parameter(
        1.0, 'stopping_distance: speed at rate 1, m/s.', *PHYSICAL_RANGE, live=True
    )
    deceleration_mps2: float = parameter(
        1.0, 'stopping_distance: deceleration of the brakes, m/s^2.', *PHYSICAL_RANGE, live=True
    )
    sight_distance_m: float = parameter(
        2.0,
        'stopping_distance: distance within which the robot must be able to stop, metres.',
        *PHYSICAL_RANGE,
        live=True,
    )
    attack_s: float = parameter(
        0.15, 'Time constant of a fall, seconds. 0: at once.', 0.0, 10.0, live=True
    )
    release_per_s: float = parameter(
        0.5, 'Fastest rise of the rate, per second.', 0.001, 100.0, live=True
    )
    easy_frames: int = parameter(
        3, 'Frames in a row that must call for a higher rate before it rises.', 1, 1000, live=True
    )
    min_confidence: float = parameter(
        0.3,
        'An answer below this confidence, from any exit, drops the rate to the floor.',
        *SHARE,
        live=True,
    )
    stale_after_s: float = parameter(
        0.3,
        'Without an answer for this long, seconds, the rate drops to the floor.',
        0.05,
        10.0,
        live=True,
    )

    def __post_init__(self) -> None:
        """Refuse wrong values, naming the parameter."""
        check(self, 'rate.')
        # With an easy_confidence below it every answer would be sure.
        if 'confidence' in self.mappings and self.easy_confidence <= self.min_confidence:
            raise EevitError(
                "parameter 'rate.easy_confidence' must be above rate.min_confidence "
                f"({self.min_confidence!r}) for the mapping 'confidence'. "
                f'Got {self.easy_confidence!r}'
            )


class RateLaw:
    """The rate of one camera over time; starts at the floor.

    Times are seconds of one steady clock, passed in: the law reads no clock. Time must not run
    backwards from call to call (with threads, read the clock and call under one lock); if it does,
    or is NaN, the rate is the floor.
    """

    def __init__(self, settings: RateSettings) -> None:
        """Start at the floor, before the first answer."""
        self._settings = settings
        self._since_s = -math.inf  # time of the last answer or fault
        self._rate = settings.floor  # at that time
        self._targets = deque([settings.floor] * settings.easy_frames, settings.easy_frames)

    def target(self, answer: RateInput, interval_s: float) -> float:
        """Return the rate to which answers like this one, `interval_s` apart, lead.

        Returns:
            Within [floor, 1]; the floor if a value is no number or out of range. If age, interval
            or contrast is unknown (None, infinite), the mappings that need it give the floor.
        """
        settings = self._settings
        if _is_fault(settings, answer):
            return settings.floor
        cycle_s = _cycle_s(answer, interval_s)
        lowest = min(_MAPPINGS[name](settings, answer, cycle_s) for name in settings.mappings)
        return min(1.0, max(settings.floor, lowest))

    def update(self, answer: RateInput, now_s: float) -> float:
        """Take the answer to a frame; return the rate at `now_s`."""
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
        """Take a frame without a usable answer; return the floor, where the rate starts anew."""
        self._rate = self._settings.floor
        self._since_s = now_s
        self._targets.extend([self._settings.floor] * self._settings.easy_frames)
        return self._rate

    def hold(
        self, now_s: float, contrast: float | None = None, age_s: float | None = None
    ) -> float:
        """Take a frame in which there is nothing to ask about; return the rate, which never rises.

        It falls as if that frame had the easiest answer there is; `contrast` and `age_s` are those
        of `RateInput`.
        """
        if not now_s >= self._since_s or self._is_stale(now_s):
            return self.fault(now_s)
        easiest = self.target(RateInput(0.0, 1.0, age_s, contrast), now_s - self._since_s)
        self._rate = self.at(now_s)
        self._since_s = now_s
        self._targets.append(min(self._targets[-1], self._rate, easiest))
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
        # In this form NaN and a time before the last answer count as stale.
        return not 0 <= now_s - self._since_s < self._settings.stale_after_s


def without_age(settings: RateSettings) -> str:
    """Return that mappings without an age keep the rate at the floor; '' where none needs it."""
    names = [name for name in settings.mappings if name in NEED_AGE]
    floor = f'without an age, rate.mappings {", ".join(names)} keeps the rate at the floor'
    return floor if names else ''


def _is_fault(settings: RateSettings, answer: RateInput) -> bool:
    shares = 0 <= answer.depth <= 1 and 0 <= answer.confidence <= 1  # neither is true of NaN
    age = answer.age_s is None or 0 <= answer.age_s < math.inf
    contrast = answer.contrast is None or 0 <= answer.contrast < math.inf
    return not (shares and age and contrast) or answer.confidence < settings.min_confidence


def _cycle_s(answer: RateInput, interval_s: float) -> float:
    """Return how long the scene may have changed unseen: the answer's age and one more frame."""
    if answer.age_s is None or not interval_s >= 0:
        return math.inf
    return answer.age_s + interval_s


def _by_depth(settings: RateSettings, answer: RateInput, cycle_s: float) -> float:
    return _ramp(settings.floor, -answer.depth, -1.0, -settings.easy_depth)


def _by_confidence(settings: RateSettings, answer: RateInput, cycle_s: float) -> float:
    easy = settings.easy_confidence
    return _ramp(settings.floor, answer.confidence, settings.min_confidence, easy)


def _by_contrast(settings: RateSettings, answer: RateInput, cycle_s: float) -> float:
    return _ramp(settings.floor, answer.contrast or 0.0, 0.0, settings.easy_contrast)


def _by_latency(settings: RateSettings, answer: RateInput, cycle_s: float) -> float:
    # speed * cycle = constant
    return settings.reference_cycle_s / max(settings.reference_cycle_s, cycle_s)


def _by_stopping_distance(settings: RateSettings, answer: RateInput, cycle_s: float) -> float:
    # The positive v of v * t + v^2 / (2 a) = d, in a form that loses no digits for a long t.
    distance, deceleration = settings.sight_distance_m, settings.deceleration_mps2
    root = math.hypot(cycle_s, math.sqrt(2 * distance / deceleration))
    return 2 * distance / (cycle_s + root) / settings.max_speed_mps


def _ramp(floor: float, value: float, hard: float, easy: float) -> float:
    """Return a line from the floor at `hard` to 1 at `easy`; `value` is at least `hard`."""
    if value >= easy:
        return 1.0
    return floor + (1 - floor) * (value - hard) / (easy - hard)


_MAPPINGS: dict[str, Callable[[RateSettings, RateInput, float], float]] = {
    'depth': _by_depth,
    'confidence': _by_confidence,
    'contrast': _by_contrast,
    'latency': _by_latency,
    'stopping_distance': _by_stopping_distance,
}
