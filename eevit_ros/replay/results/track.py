"""A recording as a path: where each frame was taken, and which thing it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.correctness import mark_correct
from eevit_ros.replay.results.frame_table import ANSWERED, BAD
from eevit_ros.speed.rate import RateInput

THINGS_A_STRETCH = 10  # where the truth names no places
_TAKEN = ('status', 'depth', 'confidence', 'age_ms', 'contrast', 'notes')

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
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


def read_tracks(
    frames: pd.DataFrame, settings: PerceptionSettings, recorded_mps: float
) -> list[Track]:
    """Return the recordings of a frame table that have a truth, see `time_saved.time_saved`."""
    usable = frames[frames['status'].isin([ANSWERED, BAD])]
    tracks = []
    for bag, rows in usable.groupby('bag', observed=True, sort=False):
        track = _track(str(bag), rows, settings, recorded_mps)
        if track is not None:
            tracks.append(track)
    return tracks


def _track(
    bag: str, rows: pd.DataFrame, settings: PerceptionSettings, recorded_mps: float
) -> Track | None:
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
    last = np.flatnonzero(np.append(begins[1:], True))[shown]  # frame of each thing
    interval_s = float(np.median(np.diff(time_s)))
    ages = rows['age_ms'].dropna()
    names = [
        place[end] or f'{bag}, stretch {number // THINGS_A_STRETCH + 1}'
        for number, end in enumerate(last)
    ]
    return Track(
        place_m=time_s * recorded_mps,
        inputs=_inputs(rows, settings),
        right=correct.right,
        thing=numbers[run],
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
