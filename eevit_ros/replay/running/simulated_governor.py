"""The speed governor in a replay, and the timers of both nodes."""

from __future__ import annotations

import math
from collections.abc import Callable

from eevit_ros.parameters.classifier import SPECS
from eevit_ros.speed.limit import LimitSettings, SpeedLimit

TICK_NS = 100_000_000  # both nodes also publish ten times a second

Tick = Callable[[int, float, float], None]
"""(time in ns, adaptive rate, speed limit in percent)"""


class SimulatedGovernor:
    """The speed limit over time, without speed zones and with the floor already received.

    Times are those of the recording, which stands for the steady clock of both nodes.
    """

    def __init__(
        self, rate_at: Callable[[float], float], settings: LimitSettings, on_tick: Tick
    ) -> None:
        """Start at the floor.

        Args:
            rate_at: Returns the adaptive rate of a moment, seconds, between frames.
            settings: Settings of the governor.
            on_tick: Called with rate and limit ten times a second.
        """
        self._rate_at = rate_at
        self._limit = SpeedLimit(settings)
        self._limit.floor_received = True
        self._on_tick = on_tick
        self._next_ns: int | None = None
        self._skipped_ns = 0
        # After this long without a frame nothing changes: the limit, too, has reached its end.
        longest_s, rises_s = SPECS['rate.stale_after_s'].high, 1 / settings.recover_per_s
        assert longest_s is not None
        self._settled_ns = int((longest_s + rises_s) * 1e9) + settings.fresh_messages * TICK_NS

    def until(self, time_ns: int) -> None:
        """Let the timers run until then; ticks in a long pause are skipped."""
        if self._next_ns is None:
            self._next_ns = time_ns
        settled_ns = self._next_ns + self._settled_ns
        while self._next_ns < time_ns:
            if settled_ns < self._next_ns < time_ns - TICK_NS:
                skipped_ns = (time_ns - TICK_NS - self._next_ns) // TICK_NS * TICK_NS
                self._next_ns += skipped_ns
                self._skipped_ns += skipped_ns
            rate = self._rate_at(seconds(self._next_ns))
            self._on_tick(self._next_ns, rate, self.update(rate, self._next_ns))
            self._next_ns += TICK_NS

    def update(self, rate: float, time_ns: int) -> float:
        """Take a rate as it is published; return the speed limit, percent."""
        self._limit.update_rate(rate, self._governor_s(time_ns))
        return self.limit_percent(time_ns)

    def limit_percent(self, time_ns: int) -> float:
        """Return the speed limit of a moment, percent."""
        return self._limit.at(self._governor_s(time_ns)).percent

    def _governor_s(self, time_ns: int) -> float:
        """Return the governor's time, for which skipped ticks are no silence."""
        return seconds(time_ns - self._skipped_ns)


def seconds(time_ns: int) -> float:
    """Return the time in seconds, as the rate law and the governor count it."""
    whole, rest = divmod(time_ns, 1_000_000_000)
    return math.fsum((whole, rest * 1e-9))
