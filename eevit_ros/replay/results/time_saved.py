"""How much time the rate law saves against a constant speed of the same risk where it is worst.

The recording is a path that was driven once, at a known constant speed. A robot drives it again in
simulation: at each place it gets the recorded frame of that place, with its answer. A *thing* is a
run of frames with one label in one place; its end is where it leaves the picture. It is missed when
no two neighbouring frames of it were both right before the robot was within its stopping distance
of that end. The *risk* is the share of missed things in the place where that is highest.
docs/replay.md has the words for users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.frame_table import UNASKED
from eevit_ros.replay.results.robot import Robot, drive_at, drive_by_law
from eevit_ros.replay.results.track import Places, Values, read_tracks
from eevit_ros.reporting.equal_risk import seconds_at
from eevit_ros.reporting.interval import Interval, bootstrap

SPEEDS = 12  # constant ones, from the floor to full speed
FEW_THINGS = 10
RESAMPLES = 1000


@dataclass(frozen=True)
class PlaceRisk:
    """One place: how many things stand there, and the shares that are missed."""

    name: str
    things: int
    missed: float
    missed_at_constant: float


@dataclass(frozen=True)
class TimeSaved:
    """What the rate law saves on a recording.

    Attributes:
        saved: Share of the time of a constant speed with the same risk in the worst place.
        seconds: With the law.
        constant_seconds: At that constant speed.
        places: In the order of the recordings.
        doubts: Why that tells little, one sentence each; empty where it tells.
    """

    saved: Interval
    seconds: float
    constant_seconds: float
    places: Sequence[PlaceRisk]
    doubts: Sequence[str]

    def figures(self) -> dict[str, Any]:
        """Return all of it for a file of JSON."""
        return {**asdict(self), 'saved': self.saved._asdict()}


def time_saved(
    frames: pd.DataFrame, settings: PerceptionSettings, floor: float, recorded_mps: float
) -> TimeSaved | None:
    """Measure it; None where no answer has a truth.

    Args:
        frames: Frame table, see `frame_table`.
        settings: Of the classifier. `rate.max_speed_mps` and `rate.deceleration_mps2` are the
            robot's.
        floor: Of the governor.
        recorded_mps: Speed at which the recordings were driven, metres per second.
    """
    tracks = read_tracks(frames, settings, recorded_mps)
    names = [name for track in tracks for name in track.names]
    if not names:
        return None
    robot = Robot(settings, floor)
    speeds = np.linspace(robot.slowest_mps, robot.top_mps, SPEEDS)
    driven = [
        [drive_by_law(track, robot), *(drive_at(track, robot, mps) for mps in speeds)]
        for track in tracks
    ]
    seconds = np.hstack([[one.seconds for one in of_track] for of_track in driven])
    missed = np.hstack([[one.missed for one in of_track] for of_track in driven]).astype(np.float64)
    order = list(dict.fromkeys(names))
    place = np.array([order.index(name) for name in names])

    def shares(drawn: Values) -> Values:
        return _saved(drawn.astype(np.int64), seconds, missed, place, len(order))

    saved = bootstrap(shares, np.arange(len(names)), resamples=RESAMPLES)
    rates = np.array([missed[:, place == number].mean(1) for number in range(len(order))])
    worst, times = rates.max(0), seconds.sum(1)
    matching = seconds_at(worst[:1], worst[np.newaxis, 1:], times[np.newaxis, 1:])[0]
    nearest = 1 + int(np.abs(times[1:] - matching).argmin())
    places = [
        PlaceRisk(
            name, int((place == number).sum()), float(rates[number, 0]),
            float(rates[number, nearest]),
        )
        for number, name in enumerate(order)
    ]  # fmt: skip
    doubts = _doubts(saved, places, worst, robot, recorded_mps)
    if unasked := int((frames['status'] == UNASKED).sum()):
        doubts.append(f'{unasked} frames without a region to ask about are left out')
    return TimeSaved(saved, float(times[0]), float(matching), places, doubts)


def _saved(drawn: Places, seconds: Values, missed: Values, place: Places, places: int) -> Values:
    """Return the share saved with the things drawn (B, N), or of them all (N,)."""
    rows = np.atleast_2d(drawn)
    count = len(place)
    weight = np.array([np.bincount(row, minlength=count) for row in rows], np.float64)
    times = weight @ seconds.T  # (B, 1 + K)
    there = [place == number for number in range(places)]
    with np.errstate(invalid='ignore'):  # a draw may leave a place out
        rates = [
            weight[:, here] @ missed[:, here].T / weight[:, here].sum(1, keepdims=True)
            for here in there
        ]
    worst = np.nanmax(rates, 0)
    found: Values = 1 - times[:, 0] / seconds_at(worst[:, 0], worst[:, 1:], times[:, 1:])
    return found if drawn.ndim > 1 else found[0]


def _doubts(
    saved: Interval, places: Sequence[PlaceRisk], worst: Values, robot: Robot, recorded_mps: float
) -> list[str]:
    doubts = []
    things = sum(place.things for place in places)
    if saved.low <= 0 <= saved.high:
        doubts.append(
            f'too little truth to tell: with {things} things in {len(places)} places the interval '
            'holds 0'
        )
    few = [place for place in places if place.things < FEW_THINGS]
    if few:
        doubts.append(
            f'too little truth to tell: {len(few)} of {len(places)} places have fewer than '
            f'{FEW_THINGS} things, the first '
            f'is {few[0].name}: record more of them'
        )
    if len(places) < 2:
        doubts.append('one place alone does not tell where to be slow: name the places')
    if worst[1:].min() == worst[1:].max():
        doubts.append('no speed changes the risk here')
    elif not worst[1:].min() <= worst[0] <= worst[1:].max():
        doubts.append('no constant speed has the risk of the law: compared with the nearest')
    if recorded_mps > 1.01 * robot.slowest_mps:
        doubts.append(
            f'recorded at {recorded_mps:g} m/s, faster than the floor, '
            f'{robot.slowest_mps:g} m/s: what a slower robot would have seen is not there'
        )
    return doubts
