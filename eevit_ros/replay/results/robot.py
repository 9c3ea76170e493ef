"""A simulated robot that drives a recorded path again, by the rate law or at one speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.track import Flags, Track, Values
from eevit_ros.speed.rate import RateLaw


class Robot:
    """What the simulated robot can do."""

    def __init__(self, settings: PerceptionSettings, floor: float) -> None:
        """Take the classifier's settings and the governor's floor."""
        rate = settings.rate
        self.rate = rate
        self.floor = max(floor, rate.floor)
        self.top_mps = rate.max_speed_mps
        self.slowest_mps = self.floor * self.top_mps
        self.acceleration_mps2 = rate.deceleration_mps2


@dataclass(frozen=True)
class Driven:
    """Seconds for the stretch up to each thing's end (the last: to the path's), and misses."""

    seconds: Values
    missed: Flags


def drive_by_law(track: Track, robot: Robot) -> Driven:
    """Drive a path from rest, as fast as the rate law allows."""
    law = RateLaw(robot.rate)
    law.fault(0.0)
    step_s, most = track.interval_s, robot.acceleration_mps2 * track.interval_s
    place, speed, end = 0.0, 0.0, float(track.place_m[-1])
    at, speeds = [place], [speed]
    while place < end:
        now_s = len(at) * step_s
        frame = int(np.searchsorted(track.place_m, place, 'right')) - 1
        answer = track.inputs[frame]
        rate = law.fault(now_s) if answer is None else law.update(answer, now_s)
        wanted = robot.top_mps * min(1.0, max(robot.floor, rate))
        after = speed + min(most, max(-most, wanted - speed))
        place, speed = place + (speed + after) / 2 * step_s, after
        at.append(place)
        speeds.append(speed)
    return _outcome(track, robot, np.array(at), np.array(speeds))


def drive_at(track: Track, robot: Robot, speed_mps: float) -> Driven:
    """Drive a path from rest at one speed."""
    end, most = float(track.place_m[-1]), robot.acceleration_mps2
    rises_s = speed_mps / most
    lasts_s = end / speed_mps + rises_s
    times = np.arange(0.0, lasts_s + 2 * track.interval_s, track.interval_s)
    speeds = np.minimum(speed_mps, most * times)
    at = np.where(times < rises_s, most * times**2 / 2, speed_mps * (times - rises_s / 2))
    return _outcome(track, robot, at, speeds)


def _outcome(track: Track, robot: Robot, at: Values, speeds: Values) -> Driven:
    """Return what became of each thing; `at` and `speeds` are those of each frame interval."""
    times = np.arange(len(at)) * track.interval_s
    borders = np.concatenate([[0.0], track.ends_m])
    borders[-1] = track.place_m[-1]
    seconds = np.diff(np.interp(borders, at, times))
    frame = np.searchsorted(track.place_m, at, 'right') - 1
    seen = np.concatenate([[True], frame[1:] != frame[:-1]])  # a frame seen again is no new look
    frame, at, speeds = frame[seen], at[seen], speeds[seen]
    thing, right = track.thing[frame], track.right[frame]
    pair = np.zeros(len(frame), bool)
    pair[1:] = right[1:] & right[:-1] & (thing[1:] == thing[:-1]) & (thing[1:] >= 0)
    reach = speeds * (track.age_s + track.interval_s) + speeds**2 / (2 * robot.acceleration_mps2)
    known = at + speeds * track.age_s  # where the robot is as the answer comes
    in_time = pair & (track.ends_m[thing] - known > reach)
    missed = np.ones(len(track.ends_m), bool)
    missed[thing[in_time]] = False
    return Driven(seconds, missed)
