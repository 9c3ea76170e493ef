"""How fast the robot may go: the adaptive rate, guarded, and the lowest of all other limits.

The limit is a share of full speed in percent, within [floor, 100], and never 0, which Nav2 takes
for 'no limit'. Only another source's limit (a zone) takes it below the floor.

A sound rate is passed on as it is: `rate` shapes it, nobody else. Whatever is not sound
(nothing heard yet, silence, a value that is no rate, whatever the caller reports) is a fault, and
the limit is the floor at once. It stays there until `fresh_messages` good messages came in a row;
from then on the line floor + recover_per_s * t caps it, until that line reaches 1. Messages count
only once somebody has heard the floor, so that the first limit that is heard is the lowest.

Monotone: a lower rate or a further fault never gives a higher limit, now or later. A fault only
ever restarts the count and the line, and everything else is a minimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eevit_ros.errors import EevitError
from eevit_ros.speed.rate import LOWEST_FLOOR

LOWEST_PERCENT = 0.01  # a smaller limit could become 0 on its way, which means 'no limit'
FULL_PERCENT = 100.0

STARTUP, STALE, WRONG, SHUTDOWN = 'startup', 'stale', 'error', 'shutdown'
RISING, RECOVERING = 'rising', 'recovering'  # after the start, after a later fault
SOURCE, DEEP, FRESH = 'other source', 'deep', 'fresh'
FAULTS = (STARTUP, STALE, WRONG, SHUTDOWN)


@dataclass(frozen=True)
class LimitSettings:
    """How the limit is guarded; checks itself.

    Attributes:
        floor: The limit after a fault, share of full speed, 0.01..1.
        stale_after_s: Without a message for this long, seconds, the input is stale.
        fresh_messages: Good messages in a row that end a fault.
        recover_per_s: Slope of the line that caps the limit after a fault, share per second.
        max_speed_mps: Full speed, m/s, by which absolute limits are converted; 0 is unknown.
        initial_zone_limit: What counts as a source's limit until it speaks, percent.
    """

    floor: float = 0.2
    stale_after_s: float = 0.3
    fresh_messages: int = 5
    recover_per_s: float = 0.5
    max_speed_mps: float = 0.0
    initial_zone_limit: float = 100.0

    def __post_init__(self) -> None:
        """Refuse values out of range, naming the parameter at fault."""
        self._require('floor', LOWEST_FLOOR <= self.floor <= 1, f'within [{LOWEST_FLOOR}, 1]')
        self._require('stale_after_s', 0 < self.stale_after_s < math.inf, 'above 0')
        whole = isinstance(self.fresh_messages, int) and self.fresh_messages >= 1
        self._require('fresh_messages', whole, 'a whole number, 1 or more')
        self._require('recover_per_s', 0 < self.recover_per_s < math.inf, 'above 0')
        self._require('max_speed_mps', 0 <= self.max_speed_mps < math.inf, '0 (unknown) or more')
        within = LOWEST_PERCENT <= self.initial_zone_limit <= FULL_PERCENT
        rule = f'within [{LOWEST_PERCENT}, {FULL_PERCENT}]'
        self._require('initial_zone_limit', within, rule)

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise EevitError(f"parameter '{name}' must be {rule}. Got {getattr(self, name)!r}")


@dataclass(frozen=True)
class Limit:
    """The limit at one moment.

    Attributes:
        percent: Of full speed, within (0, 100].
        reason: One of this module's words for what decides it.
        text: The same for people.
    """

    percent: float
    reason: str
    text: str


class SpeedLimit:
    """The limit over time; starts at the floor.

    Times are seconds of one steady clock, passed in: no clock is read here. How often somebody
    looks does not change the limit.
    """

    def __init__(self, settings: LimitSettings, sources: Sequence[str] = ()) -> None:
        """Start with nothing heard.

        Args:
            settings: How it is guarded.
            sources: Names of the other limit sources.
        """
        self._settings = settings
        self.zones: dict[str, float] = dict.fromkeys(sources, settings.initial_zone_limit)
        self.rate: float | None = None
        self.faults = 0
        self.floor_was_heard = False  # by those who obey; set by the caller, once
        self._heard_s: float | None = None
        self._wrong: dict[str, str] = {}  # what stays wrong until it is reported right
        self._fault = (STARTUP, 'just started')
        self._is_over = False
        self._fresh = 0  # good messages since the fault, up to fresh_messages
        self._recovers_s = 0.0  # when the last of them came

    def see_rate(self, rate: float, now_s: float, fault: str = '') -> None:
        """Take a message of the adaptive rate.

        Args:
            rate: Its value; anything but a number within (0, 1] is a fault.
            now_s: When it was received.
            fault: What else is wrong with the message; '' is nothing.
        """
        self._notice_silence(now_s)
        self.rate, self._heard_s = rate, now_s
        if not 0 < rate <= 1:  # also true of NaN
            fault = f'adaptive rate {rate:.4g} is not within (0, 1]'
        if fault:
            self._fall(WRONG, fault)
        elif self._may_count() and self._fresh < self._settings.fresh_messages:
            self._fresh += 1
            self._recovers_s = now_s

    def see_zone(self, source: str, limit: float, *, is_percent: bool) -> None:
        """Take a message of another source; it holds until the next one.

        A limit that makes no sense is a fault that lasts until that source sends a better one;
        meanwhile its last good limit goes on to hold.
        """
        try:
            self.zones[source] = self._zone_percent(limit, is_percent)
        except EevitError as err:
            self.set_wrong(source, f'{source}: {err}')
        else:
            self.set_wrong(source, '')

    def set_wrong(self, what: str, text: str) -> None:
        """Say that something is wrong from now on, a fault, or with '' that it no longer is."""
        if not text:
            self._wrong.pop(what, None)
        elif self._wrong.get(what) != text:
            self._wrong[what] = text
            self._fall(WRONG, text)

    def end(self) -> None:
        """Stay at the floor from now on."""
        self._is_over = True

    def age_s(self, now_s: float) -> float | None:
        """Return how long ago the last message of the adaptive rate came; None before the first."""
        return None if self._heard_s is None else now_s - self._heard_s

    def at(self, now_s: float) -> Limit:
        """Return the limit at `now_s`."""
        self._notice_silence(now_s)
        own = self._own(now_s)
        source = min(self.zones, key=self.zones.__getitem__, default='')
        if source and self.zones[source] < own.percent:
            zone = self.zones[source]
            text = f'{source} allows {zone:.4g} %'
            if own.reason not in FAULTS:
                return Limit(zone, SOURCE, text)
            return Limit(zone, own.reason, f'{own.text}; {text}')
        return own

    def _own(self, now_s: float) -> Limit:
        """Return the limit without the other sources."""
        floor, needed = self._settings.floor, self._settings.fresh_messages
        if self._is_over:
            return Limit(FULL_PERCENT * floor, SHUTDOWN, 'the governor was shut down')
        if self._wrong:
            return Limit(FULL_PERCENT * floor, WRONG, '; '.join(self._wrong.values()))
        if self.rate is None or self._fresh < needed:
            reason, text = self._fault
            if self.rate is None:
                text += '; no adaptive rate heard yet'
            if not self.floor_was_heard:
                text += '; nobody has heard the floor yet'
            count = f' ({self._fresh} of {needed} good messages since)' if self._fresh else ''
            return Limit(FULL_PERCENT * floor, reason, text + count)
        rate = max(floor, self.rate)
        line = floor + self._settings.recover_per_s * (now_s - self._recovers_s)
        if line < rate:
            reason, text = self._fault
            if reason == STARTUP:
                return Limit(FULL_PERCENT * line, RISING, text)
            return Limit(FULL_PERCENT * line, RECOVERING, f'fault over: {text}')
        raised = ', raised to the floor' if self.rate < floor else ''
        text = f'adaptive rate {self.rate:.3g}{raised}'
        return Limit(FULL_PERCENT * rate, FRESH if self.rate >= 1 else DEEP, text)

    def _may_count(self) -> bool:
        return self.floor_was_heard and not self._wrong

    def _notice_silence(self, now_s: float) -> None:
        if self._heard_s is None or self._fault[0] == STALE and not self._fresh:
            return
        silent_s = now_s - self._heard_s
        if not 0 <= silent_s < self._settings.stale_after_s:  # also true of NaN
            after_s = self._settings.stale_after_s
            self._fall(STALE, f'no adaptive rate for {after_s:.4g} s')

    def _fall(self, reason: str, text: str) -> None:
        self.faults += 1
        self._fault = (reason, text)
        self._fresh = 0

    def _zone_percent(self, limit: float, is_percent: bool) -> float:
        if not 0 <= limit < math.inf:  # also true of NaN
            raise EevitError(f'speed limit {limit:.4g} must be 0 (no limit) or a number above')
        if limit == 0:
            return FULL_PERCENT
        if not is_percent:
            if self._settings.max_speed_mps <= 0:
                raise EevitError(
                    f'{limit:.4g} m/s can only be obeyed with parameter max_speed_mps, '
                    "the robot's full speed: set it"
                )
            limit = FULL_PERCENT * limit / self._settings.max_speed_mps
        return min(max(limit, LOWEST_PERCENT), FULL_PERCENT)
