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
import numpy.typing as npt
import pandas as pd

from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.correctness import mark_correct
from eevit_ros.replay.results.frame_table import ANSWERED, BAD, UNASKED
from eevit_ros.reporting.equal_risk import seconds_at
from eevit_ros.reporting.interval import Interval, bootstrap
from eevit_ros.speed.rate import RateInput, RateLaw

SPEEDS = 12  # constant ones, from the floor to full speed
THINGS_A_STRETCH = 10  # where the truth names no places
FEW_THINGS = 10
RESAMPLES = 1000

_TAKEN = ('status', 'depth', 'confidence', 'age_ms', 'contrast', 'notes')

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


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
    tracks = _tracks(frames, settings, recorded_mps)
    names = [name for track in tracks for name in track.names]
    if not names:
        return None
    robot = _Robot(settings, floor)
    law = _joined([_drive_by_law(track, robot) for track in tracks])
    fastest = robot.top_mps
    speeds = np.linspace(robot.slowest_mps, fastest, SPEEDS)
    constant = [_joined([_drive_at(track, robot, mps) for track in tracks]) for mps in speeds]
    seconds = np.array([law.seconds, *(one.seconds for one in constant)])
    missed = np.array([law.missed, *(one.missed for one in constant)], np.float64)
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
    there = [weight * (place == number) for number in range(places)]
    with np.errstate(invalid='ignore'):  # a draw may leave a place out
        rates = np.stack([one @ missed.T / one.sum(1, keepdims=True) for one in there], -1)
    worst = np.nanmax(rates, -1)
    found: Values = 1 - times[:, 0] / seconds_at(worst[:, 0], worst[:, 1:], times[:, 1:])
    return found if drawn.ndim > 1 else found[0]


def _doubts(
    saved: Interval, places: Sequence[PlaceRisk], worst: Values, robot: _Robot, recorded_mps: float
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


class _Robot:
    """What the simulated robot can do."""

    def __init__(self, settings: PerceptionSettings, floor: float) -> None:
        rate = settings.rate
        self.rate = rate
        self.floor = max(floor, rate.floor)
        self.top_mps = rate.max_speed_mps
        self.slowest_mps = self.floor * self.top_mps
        self.acceleration_mps2 = rate.deceleration_mps2


@dataclass(frozen=True)
class _Track:
    """One recording as a path. F frames, S things.

    Attributes:
        place_m: float64 (F,), where each frame was taken, from 0.
        inputs: What the rate law takes of each frame; None where perception failed.
        right: bool (F,).
        thing: int64 (F,), number of the thing, -1 for none.
        ends_m: float64 (S,), where each thing leaves the picture.
        names: Name of each thing's place.
        interval_s: Between two frames of the camera.
        age_s: Of every answer.
    """

    place_m: Values
    inputs: Sequence[RateInput | None]
    right: Flags
    thing: Places
    ends_m: Values
    names: Sequence[str]
    interval_s: float
    age_s: float


@dataclass(frozen=True)
class _Driven:
    """Seconds for the stretch up to each thing's end (the last: to the path's), and misses."""

    seconds: Values
    missed: Flags


def _tracks(
    frames: pd.DataFrame, settings: PerceptionSettings, recorded_mps: float
) -> list[_Track]:
    usable = frames[frames['status'].isin([ANSWERED, BAD])]
    tracks = []
    for bag, rows in usable.groupby('bag', observed=True, sort=False):
        track = _track(str(bag), rows, settings, recorded_mps)
        if track is not None:
            tracks.append(track)
    return tracks


def _track(
    bag: str, rows: pd.DataFrame, settings: PerceptionSettings, recorded_mps: float
) -> _Track | None:
    correct = mark_correct(rows)
    if correct.against != 'truth' or len(rows) < 2:
        return None
    time_s = (rows['received_ns'].to_numpy(np.int64) - rows['received_ns'].iloc[0]) * 1e-9
    truth, place = (rows[name].astype(str).to_numpy() for name in ('truth', 'place'))
    begins = np.ones(len(rows), bool)
    begins[1:] = (truth[1:] != truth[:-1]) | (place[1:] != place[:-1])
    run = np.cumsum(begins) - 1
    shown = truth[begins] != ''
    numbers = np.where(shown, np.cumsum(shown) - 1, -1)
    thing = numbers[run]
    last = [int(np.flatnonzero(thing == number)[-1]) for number in range(int(shown.sum()))]
    interval_s = float(np.median(np.diff(time_s)))
    ages = rows['age_ms'].dropna()
    names = [
        place[end] or f'{bag}, stretch {number // THINGS_A_STRETCH + 1}'
        for number, end in enumerate(last)
    ]
    return _Track(
        place_m=time_s * recorded_mps,
        inputs=_inputs(rows, settings),
        right=correct.right,
        thing=thing,
        ends_m=time_s[last] * recorded_mps,
        names=names,
        interval_s=max(interval_s, 1e-3),
        age_s=float(ages.median()) / 1e3 if len(ages) else 0.0,
    )


def _inputs(rows: pd.DataFrame, settings: PerceptionSettings) -> list[RateInput | None]:
    found: list[RateInput | None] = []
    faults = {'blind', 'frozen', *(['shifted'] if settings.shift.slows else [])}
    columns: Any = (rows[name].tolist() for name in _TAKEN)
    for status, depth, confidence, age_ms, contrast, notes in zip(*columns, strict=True):
        if status != ANSWERED or faults & set(str(notes).split()):
            found.append(None)
        else:
            age_s = None if np.isnan(age_ms) else age_ms / 1e3
            measured = None if np.isnan(contrast) else contrast
            found.append(RateInput(depth, confidence, age_s, measured))
    return found


def _joined(parts: Sequence[_Driven]) -> _Driven:
    return _Driven(
        np.concatenate([part.seconds for part in parts]),
        np.concatenate([part.missed for part in parts]),
    )


def _drive_by_law(track: _Track, robot: _Robot) -> _Driven:
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


def _drive_at(track: _Track, robot: _Robot, speed_mps: float) -> _Driven:
    end, most = float(track.place_m[-1]), robot.acceleration_mps2
    rises_s = speed_mps / most
    lasts_s = end / speed_mps + rises_s
    times = np.arange(0.0, lasts_s + 2 * track.interval_s, track.interval_s)
    speeds = np.minimum(speed_mps, most * times)
    at = np.where(times < rises_s, most * times**2 / 2, speed_mps * (times - rises_s / 2))
    return _outcome(track, robot, at, speeds)


def _outcome(track: _Track, robot: _Robot, at: Values, speeds: Values) -> _Driven:
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
    return _Driven(seconds, missed)
