"""The speed limit of several adaptive rates: each guarded for itself, the lowest counts."""

from __future__ import annotations

from collections.abc import Sequence

from eevit_ros.speed.limit import FAULTS, SOURCE, Limit, LimitSettings, SpeedLimit


class LowestLimit:
    """The lowest of the `SpeedLimit`s of several adaptive rates, with the same zones.

    A minimum of monotone limits is monotone. A rate that is silent or wrong puts its own limit to
    the floor, and so this one.

    Attributes:
        of: The limit of each rate, by its name.
    """

    def __init__(
        self, settings: LimitSettings, rates: Sequence[str], sources: Sequence[str] = ()
    ) -> None:
        """Start at the floor, before the first message.

        Args:
            settings: How each limit is guarded.
            rates: Names of the adaptive rates, at least one.
            sources: Names of the other limit sources.
        """
        self.of = {rate: SpeedLimit(settings, sources) for rate in rates}
        self._limits = list(self.of.values())

    @property
    def zones(self) -> dict[str, float]:
        """Limit of each other source, percent."""
        return self._limits[0].zones

    @property
    def rate(self) -> float | None:
        """The lowest of the last adaptive rates; None before each has come once."""
        rates = [one.rate for one in self._limits if one.rate is not None]
        return min(rates) if len(rates) == len(self._limits) else None

    @property
    def faults(self) -> int:
        """Number of faults so far."""
        return sum(one.faults for one in self._limits)

    @property
    def floor_received(self) -> bool:
        """Whether the subscribers have received the floor; set by the caller, once."""
        return all(one.floor_received for one in self._limits)

    @floor_received.setter
    def floor_received(self, received: bool) -> None:
        for one in self._limits:
            one.floor_received = received

    def update_zone(self, source: str, limit: float, *, is_percent: bool) -> None:
        """Take a message of another source, see `SpeedLimit`."""
        for one in self._limits:
            one.update_zone(source, limit, is_percent=is_percent)

    def known_zones(self) -> list[float]:
        """Return what is known of the other sources, see `SpeedLimit`."""
        return self._limits[0].known_zones()

    def learn_zones(self, zones: Sequence[float]) -> None:
        """Take what another governor knows of them, see `SpeedLimit`."""
        for one in self._limits:
            one.learn_zones(zones)

    def set_problem(self, name: str, text: str) -> None:
        """Report a fault that concerns all rates, see `SpeedLimit`."""
        for one in self._limits:
            one.set_problem(name, text)

    def start_over(self, text: str) -> None:
        """Go back to the floor of the start, see `SpeedLimit`."""
        for one in self._limits:
            one.start_over(text)

    def shut_down(self) -> None:
        """Stay at the floor from now on."""
        for one in self._limits:
            one.shut_down()

    def age_s(self, now_s: float) -> float | None:
        """Return the seconds since the oldest of the last rates came; None before all have."""
        ages = [age for one in self._limits if (age := one.age_s(now_s)) is not None]
        return max(ages) if len(ages) == len(self._limits) else None

    def at(self, now_s: float) -> Limit:
        """Return the limit at `now_s`; at the floor its text holds the faults of all rates."""
        limits = {name: one.at(now_s) for name, one in self.of.items()}
        lowest = min(limits.values(), key=lambda one: (one.percent, one.reason not in FAULTS))
        if len(limits) == 1 or lowest.reason == SOURCE:
            return lowest
        among = [
            f'{name}: {one.text}'
            for name, one in limits.items()
            if one is lowest or (one.reason in FAULTS and lowest.reason in FAULTS)
        ]
        return Limit(lowest.percent, lowest.reason, '; '.join(among))
