"""The speed limit: the adaptive rate, guarded, and the lowest of all other limits.

The limit is a share of full speed in percent, within [floor, 100], and never 0, which Nav2 reads as
'no limit'. Only another source (a zone) takes it below the floor.

A sound rate passes unchanged: `rate` shapes it, nothing else does. Anything unsound (no message
yet, silence, a value that is no rate, whatever the caller reports) is a fault, and the limit drops
to the floor at once. It stays there until `fresh_messages` good messages have come in a row; from
then on the line floor + recover_per_s * t caps it, until that line reaches 1. Messages count only
once the subscribers have received the floor, so that the first limit that they get is the lowest.

Monotone: a lower rate or a further fault never gives a higher limit, now or later. A fault only
ever restarts the count and the line, and everything else is a minimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from eevit_ros.errors import EevitError
from eevit_ros.settings import check, parameter
from eevit_ros.speed.rate import LOWEST_FLOOR

LOWEST_PERCENT = 0.01  # a smaller limit might be rounded to 0, which means 'no limit'
FULL_PERCENT = 100.0

STARTUP, STALE, WRONG, SHUTDOWN = 'startup', 'stale', 'error', 'shutdown'
RISING, RECOVERING = 'rising', 'recovering'  # after the start, after a later fault
SOURCE, DEEP, FRESH = 'other source', 'deep', 'fresh'
FAULTS = (STARTUP, STALE, WRONG, SHUTDOWN)


@dataclass(frozen=True)
class LimitSettings:
    """How the limit is guarded: parameters of the governor; checks itself."""

    floor: float = parameter(
        0.2,
        "Limit after any fault, share of full speed; never 0, which Nav2 reads as 'no limit'. "
        "Lower rates are raised to it; a zone may be lower. Set it and the classifier's rate.floor "
        'together.',
        LOWEST_FLOOR,
        1.0,
    )
    stale_after_s: float = parameter(
        0.3,
        'Without an adaptive rate for this long, seconds, the limit drops to the floor. The '
        'classifier sends at least 10 a second.',
        0.05,
        10.0,
    )
    fresh_messages: int = parameter(
        5, 'Good messages in a row that end a fault; until then the limit is the floor.', 1, 1000
    )
    recover_per_s: float = parameter(
        0.5, 'Fastest rise after a fault, share of full speed per second.', 0.001, 100.0
    )
    max_speed_mps: float = parameter(
        0.0,
        "Full speed of the robot, m/s; needed for every limit in m/s, a zone's too. 0: unknown.",
        0.0,
        1000.0,
    )
    initial_zone_limit: float = parameter(
        100.0,
        'Limit of each of `limit_sources` until its first message, percent. A filter publishes '
        'only when its limit changes, so a governor restarted inside a zone does not know it: '
        'lower this if zones must hold through a restart.',
        LOWEST_PERCENT,
        FULL_PERCENT,
    )

    def __post_init__(self) -> None:
        """Refuse wrong values, naming the parameter."""
        check(self)


@dataclass(frozen=True)
class Limit:
    """The limit at one moment.

    Attributes:
        percent: Percent of full speed, within (0, 100].
        reason: What decides it, one of this module's constants.
        text: The reason in detail, for people.
    """

    percent: float
    reason: str
    text: str


class SpeedLimit:
    """The limit over time; starts at the floor.

    Times are seconds of one steady clock, passed in: no clock is read here. How often the limit is
    read does not change it.

    Attributes:
        zones: Limit of each other source, percent.
        rate: Last adaptive rate; None before the first.
        faults: Number of faults so far.
        floor_received: Whether the subscribers have received the floor; set by the caller, once.
    """

    def __init__(self, settings: LimitSettings, sources: Sequence[str] = ()) -> None:
        """Start at the floor, before the first message.

        Args:
            settings: How the limit is guarded.
            sources: Names of the other limit sources.
        """
        self._settings = settings
        self.zones: dict[str, float] = dict.fromkeys(sources, settings.initial_zone_limit)
        self._heard: set[str] = set()  # sources that have sent a message
        self._learned: set[str] = set()  # others whose limit was told
        self.rate: float | None = None
        self.faults = 0
        self.floor_received = False
        self._received_s: float | None = None  # when the last rate came
        self._problems: dict[str, str] = {}  # faults that last until they are cleared
        self._fault = (STARTUP, '')
        self._is_shut_down = False
        self._fresh = 0  # good messages since the fault, up to fresh_messages
        self._recovers_s = 0.0  # when the last of them came

    def update_rate(self, rate: float, now_s: float, fault: str = '') -> None:
        """Take a message of the adaptive rate.

        Args:
            rate: Value of the message; anything but a number within (0, 1] is a fault.
            now_s: Time of receipt.
            fault: What else is wrong with the message; '' for nothing.
        """
        self._notice_silence(now_s)
        self.rate, self._received_s = rate, now_s
        if not 0 < rate <= 1:  # also true of NaN
            fault = f'adaptive rate {rate:.4g} is not within (0, 1]'
        if fault:
            self._fault_now(WRONG, fault)
        elif (
            self.floor_received
            and not self._problems
            and self._fresh < self._settings.fresh_messages
        ):
            self._fresh += 1
            self._recovers_s = now_s

    def update_zone(self, source: str, limit: float, *, is_percent: bool) -> None:
        """Take a message of another source; its limit holds until the next one.

        An invalid limit is a fault that lasts until that source sends a valid one; until then its
        last valid limit holds.
        """
        try:
            self.zones[source] = self._zone_percent(limit, is_percent)
        except EevitError as err:
            self.set_problem(source, f'{source}: {err}')
        else:
            self._heard.add(source)
            self.set_problem(source, '')

    def known_zones(self) -> list[float]:
        """Return the limit of each source, percent; NaN where none was heard or learned."""
        known = self._heard | self._learned
        return [zone if source in known else math.nan for source, zone in self.zones.items()]

    def learn_zones(self, zones: Sequence[float]) -> None:
        """Take what another governor knows of the sources that this one has not heard."""
        for source, zone in zip(self.zones, zones, strict=True):
            if source not in self._heard and 0 < zone <= FULL_PERCENT:  # not NaN
                self.zones[source] = zone
                self._learned.add(source)

    def set_problem(self, name: str, text: str) -> None:
        """Report a fault that lasts until it is cleared with an empty text."""
        if not text:
            self._problems.pop(name, None)
        elif self._problems.get(name) != text:
            self._problems[name] = text
            self._fault_now(WRONG, text)

    def start_over(self, text: str) -> None:
        """Go back to the floor of the start, as for subscribers that have received nothing yet."""
        self.floor_received = False
        self._fault_now(STARTUP, text)

    def shut_down(self) -> None:
        """Stay at the floor from now on."""
        self._is_shut_down = True

    def age_s(self, now_s: float) -> float | None:
        """Return the seconds since the last adaptive rate came; None before the first."""
        return None if self._received_s is None else now_s - self._received_s

    def at(self, now_s: float) -> Limit:
        """Return the limit at `now_s`."""
        self._notice_silence(now_s)
        own = self._own(now_s)
        source, zone = min(self.zones.items(), key=itemgetter(1), default=('', FULL_PERCENT))
        if zone >= own.percent:
            return own
        text = f'{source} allows {zone:.4g} %'
        if own.reason not in FAULTS:
            return Limit(zone, SOURCE, text)
        return Limit(zone, own.reason, f'{own.text}; {text}')

    def _own(self, now_s: float) -> Limit:
        """Return the limit without the other sources."""
        if self._is_shut_down:
            return self._floor(SHUTDOWN, 'the governor was shut down')
        if self._problems:
            return self._floor(WRONG, '; '.join(self._problems.values()))
        fault, text = self._fault
        if self.rate is None or self._fresh < self._settings.fresh_messages:
            return self._floor(fault, '; '.join(filter(None, [text, *self._missing()])))
        floor = self._settings.floor
        rate = max(floor, self.rate)
        line = floor + self._settings.recover_per_s * (now_s - self._recovers_s)
        if line < rate:
            if fault == STARTUP:
                return Limit(FULL_PERCENT * line, RISING, 'the first rise since the start')
            return Limit(FULL_PERCENT * line, RECOVERING, f'fault over: {text}')
        raised = ', raised to the floor' if self.rate < floor else ''
        text = f'adaptive rate {self.rate:.3g}{raised}'
        return Limit(FULL_PERCENT * rate, FRESH if self.rate >= 1 else DEEP, text)

    def _floor(self, reason: str, text: str) -> Limit:
        return Limit(FULL_PERCENT * self._settings.floor, reason, text)

    def _missing(self) -> list[str]:
        """Return what the limit still waits for at the floor."""
        missing = [] if self.rate is not None else ['no adaptive rate received yet']
        if not self.floor_received:
            missing.append('no controller is known to have received the floor yet')
        if self._fresh or not missing:
            missing.append(f'{self._fresh} of {self._settings.fresh_messages} good messages since')
        return missing

    def _notice_silence(self, now_s: float) -> None:
        if self._received_s is None or self._fault[0] == STALE and not self._fresh:
            return
        silent_s = now_s - self._received_s
        if not 0 <= silent_s < self._settings.stale_after_s:  # also true of NaN
            self._fault_now(STALE, f'no adaptive rate for {self._settings.stale_after_s:.4g} s')

    def _fault_now(self, reason: str, text: str) -> None:
        self.faults += 1
        self._fault = (reason, text)
        self._fresh = 0

    def _zone_percent(self, limit: float, is_percent: bool) -> float:
        if not 0 <= limit < math.inf:  # also true of NaN
            raise EevitError(
                f'a speed limit must be a number, 0 (no limit) or more. Got {limit:.4g}'
            )
        if limit == 0:
            return FULL_PERCENT
        if not is_percent:
            if self._settings.max_speed_mps <= 0:
                raise EevitError(
                    f'a limit of {limit:.4g} m/s needs the parameter max_speed_mps, the full speed '
                    'of the robot: set it'
                )
            limit = FULL_PERCENT * limit / self._settings.max_speed_mps
        return min(max(limit, LOWEST_PERCENT), FULL_PERCENT)
