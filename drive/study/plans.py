"""Drivers that know the path: constant speeds, and two oracles.

An oracle's speeds are found from how the constant speeds did on the same paths, so it knows what
no robot can: it is a bound. One knows the condition of each zone, and has a speed for each
condition. The other knows each thing: it slows down for what it would miss otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drive.robot import ACCELERATION_MPS2, TOP_SPEED_MPS
from drive.scene.world import LENGTH_M, SIGHT_M, SIGNS_PER_ZONE, START_M, ZONE_M
from drive.study.fleet import Driven, Places, Route, Values

SPEEDS_MPS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
STEP_M = 0.05
_PLACES = np.arange(0, LENGTH_M + 1.0, STEP_M)


class Plan:
    """Drives by a speed for each place; brakes early enough for it."""

    def __init__(self, speeds_mps: Values) -> None:
        """Take the highest speeds (K, N, places), each `STEP_M` of path."""
        self.settings = len(speeds_mps)
        plan = np.array(np.broadcast_to(speeds_mps, (*speeds_mps.shape[:2], len(_PLACES))))
        for place in range(len(_PLACES) - 2, -1, -1):
            brakes = np.sqrt(plan[..., place + 1] ** 2 + 2 * ACCELERATION_MPS2 * STEP_M)
            plan[..., place] = np.minimum(plan[..., place], brakes)
        self._plan = plan

    def desired_mps(self, frame: Places, arrived_m: Values) -> Values:
        """Look up the speed of the place."""
        rows, paths = np.ogrid[: self.settings, : arrived_m.shape[1]]
        ahead = np.minimum((arrived_m / STEP_M).astype(int) + 2, len(_PLACES) - 1)
        found: Values = self._plan[rows, np.minimum(paths, self._plan.shape[1] - 1), ahead]
        return found


def constant_speeds() -> Plan:
    """Return a plan with a setting for each of `SPEEDS_MPS`."""
    return Plan(np.array(SPEEDS_MPS)[:, np.newaxis, np.newaxis])


def by_zone(route: Route, speeds_mps: Sequence[Sequence[float]]) -> Plan:
    """Return the plan of who knows each zone's condition.

    Args:
        route: The paths.
        speeds_mps: A speed for each condition, one row a setting.
    """
    zones = route.paths.zones
    zone = ((_PLACES - START_M) // ZONE_M).clip(0, zones.shape[1] - 1).astype(int)
    return Plan(np.array(speeds_mps)[:, zones[:, zone]])


def by_thing(route: Route, slowest_mps: Values, needed_mps: Values) -> Plan:
    """Return the plan of who knows the fastest speed that reads each sign.

    Args:
        route: The paths.
        slowest_mps: float64 (K, conditions), the lowest speed that it slows down to for a sign; a
            sign that needs less is passed at full speed.
        needed_mps: float64 (N, S), see `fastest_reading`.
    """
    worth = needed_mps >= slowest_mps[:, route.condition]
    speeds = np.where(worth, needed_mps, TOP_SPEED_MPS)  # (K, N, S)
    plan = np.full((len(speeds), len(needed_mps), len(_PLACES)), TOP_SPEED_MPS)
    for sign, sign_m in enumerate(route.paths.sign_m.T):
        ahead = sign_m[:, np.newaxis] - _PLACES
        near = (0 <= ahead) & (ahead <= SIGHT_M)
        plan = np.where(near, speeds[..., sign, np.newaxis], plan)
    return Plan(plan)


def fastest_reading(constant: Driven) -> Values:
    """Return the fastest of `SPEEDS_MPS` at which each sign was read; 0 if at none. (N, S)."""
    speeds = np.array(SPEEDS_MPS)[:, np.newaxis, np.newaxis]
    fastest: Values = np.where(constant.missed, 0.0, speeds).max(0)
    return fastest


def slowest_worth(needed_mps: Values, condition: Places, risk: float) -> list[float]:
    """Return, for each condition, the lowest speed to slow down to for a miss rate of `risk`."""
    found = []
    for kind in range(int(condition.max()) + 1):
        there = needed_mps[condition == kind]
        enough = [speed for speed in SPEEDS_MPS if (there < speed).mean() <= risk]
        found.append(max(enough, default=SPEEDS_MPS[0]))
    return found


def zone_speeds(rates: Values, risk: float) -> list[float]:
    """Return the fastest speed for each condition at which its miss rate is at most `risk`.

    Args:
        rates: float64 (K, conditions), miss rates at `SPEEDS_MPS`.
        risk: Highest miss rate.
    """
    rising = np.maximum.accumulate(rates)
    return [float(np.interp(risk, column, SPEEDS_MPS)) for column in rising.T]


def zone_speeds_for_all(rates: Values) -> list[list[float]]:
    """Return speeds for each condition that miss the fewest signs of all in a time; many times.

    Args:
        rates: float64 (K, conditions), miss rates at `SPEEDS_MPS`.
    """
    metres = ZONE_M / SIGNS_PER_ZONE
    speeds = np.array(SPEEDS_MPS)
    found = []
    for price_s in np.geomspace(0.5, 200.0, 12):  # of a missed sign
        cost = metres / speeds[:, np.newaxis] + price_s * rates
        found.append(speeds[cost.argmin(0)].tolist())
    return found
