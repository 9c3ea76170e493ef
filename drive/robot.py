"""The robot on its path, and the rule by which navigation obeys a speed limit."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOP_SPEED_MPS = 2.0
FLOOR = 0.2  # share of the top speed
ACCELERATION_MPS2 = 1.0  # speeding up and braking
NO_LIMIT = 0.0  # of nav2_msgs/SpeedLimit


@dataclass
class SpeedRule:
    """Nav2's rule: the last message holds until the next one, for ever; 0 is no limit.

    As in its controllers (Regulated Pure Pursuit, for one) there is no watchdog and no bound.

    Attributes:
        desired_mps: The speed that navigation now wants.
    """

    desired_mps: float = TOP_SPEED_MPS

    def limit(self, speed_limit: float, *, is_percent: bool) -> None:
        """Take a message's fields."""
        if speed_limit == NO_LIMIT:
            self.desired_mps = TOP_SPEED_MPS
        elif is_percent:
            self.desired_mps = TOP_SPEED_MPS * speed_limit / 100
        else:
            self.desired_mps = speed_limit


@dataclass
class Robot:
    """A point on the path that cannot change its speed faster than its acceleration allows.

    Attributes:
        place_m: From the start.
        speed_mps: Never negative.
    """

    place_m: float = 0.0
    speed_mps: float = 0.0

    def step(self, desired_mps: float, seconds: float) -> None:
        """Drive on for a short time, towards the desired speed."""
        most = ACCELERATION_MPS2 * seconds
        change = min(most, max(-most, desired_mps - self.speed_mps))
        before = self.speed_mps
        self.speed_mps = max(0.0, before + change)
        self.place_m += (before + self.speed_mps) / 2 * seconds


def stopping_distance_m(speed_mps: float, reaction_s: float) -> float:
    """Return how far the robot drives until it stands: v*t + v^2/(2a)."""
    return speed_mps * reaction_s + speed_mps**2 / (2 * ACCELERATION_MPS2)


def constant_speed_mps(length_m: float, seconds: float) -> float:
    """Return the speed with which a start from rest takes `seconds` for the path.

    From T = L/v + v/(2a). The fastest that the acceleration allows where no speed is fast enough.
    """
    a = ACCELERATION_MPS2
    return a * (seconds - math.sqrt(max(0.0, seconds**2 - 2 * length_m / a)))
