"""One axis for the times of several recordings: one after the other, long silences cut short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

SILENCE_S = 1.0
SILENCE_INTERVALS = 10  # of the usual length
SHOWN_SHARE = 0.03  # of all else: the most of the axis that one silence takes,
SHOWN_TOGETHER = 0.2  # and all of them


@dataclass(frozen=True)
class Silence:
    """A time without frames: start and end on the axis, and its length in seconds."""

    start: float
    end: float
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """One recording on the axis, which counts seconds from the first one's first frame.

    Attributes:
        name: Name of the recording.
        times_ns: Arrival times of its frames, nanoseconds.
        places: Places of its frames on the axis, seconds.
        end: Place where the next recording starts.
        silences: Times without frames in it.
    """

    name: str
    times_ns: Times
    places: Numbers
    end: float
    silences: tuple[Silence, ...]

    def at(self, times_ns: Times) -> Numbers:
        """Return places of any times of this recording, NaN before its start and after its end."""
        first = self.times_ns[0]
        last_s = float(self.times_ns[-1] - first) * 1e-9
        knots = np.append((self.times_ns - first) * 1e-9, last_s + self.end - self.places[-1])
        seconds = (times_ns - first) * 1e-9
        places = np.append(self.places, self.end)
        return np.asarray(np.interp(seconds, knots, places, np.nan, np.nan), np.float64)


class TimeAxis:
    """The recordings of a frame table, in its order.

    Attributes:
        stretches: One for each recording.
        places: Place of each row of the table.
        parts: A number for each row that changes with the recording and with each silence, where
            lines are broken.
        end: End of the axis.
        shortened: Whether any silence is drawn shorter than it lasted.
    """

    def __init__(self, frames: pd.DataFrame) -> None:
        """Lay out all rows, by when they arrived."""
        codes, names = pd.factorize(frames['bag'])
        order = np.argsort(codes, kind='stable')
        times = frames['received_ns'].to_numpy(np.int64)[order]
        starts = np.searchsorted(codes[order], np.arange(1, len(names)))
        parts = np.split(times, starts) if len(frames) else []
        busy_s = sum(float(seconds[~silent].sum()) for seconds, silent in map(_intervals, parts))
        silences = sum(int(silent.sum()) for _, silent in map(_intervals, parts))
        longest = busy_s * min(SHOWN_SHARE, SHOWN_TOGETHER / max(silences, 1))
        self.stretches: list[Stretch] = []
        self.end = 0.0
        for name, part in zip(names, parts, strict=True):
            self.stretches.append(_stretch(str(name), part, self.end, longest))
            self.end = self.stretches[-1].end
        self.places = np.empty(len(frames))
        self.parts = np.zeros(len(frames), np.int64)
        if parts:
            self.places[order] = np.concatenate([one.places for one in self.stretches])
            breaks = [np.append(True, _intervals(part)[1]) for part in parts]
            self.parts[order] = np.cumsum(np.concatenate(breaks))
        self.shortened = any(
            silence.seconds > silence.end - silence.start + 1e-6
            for one in self.stretches
            for silence in one.silences
        )

    def breaks(self, least: float, *, silences: bool) -> list[float]:
        """Return where a line that is drawn in steps of `least` must be broken.

        Args:
            least: On the axis; what is shorter does not show and breaks nothing.
            silences: Break it in the silences, too, and not only between recordings.
        """
        places = [
            float(one.places[0])
            for one, before in zip(self.stretches[1:], self.stretches, strict=False)
            if min(one.end - one.places[0], before.end - before.places[0]) > least
        ]
        if silences:
            found = (silence for one in self.stretches for silence in one.silences)
            places += [one.start for one in found if one.end - one.start > least]
        return sorted(places)

    def at(self, bags: pd.Series[str], times_ns: Times) -> Numbers:
        """Return places of times of the recordings named; NaN where there is none."""
        codes, names = pd.factorize(bags)
        by_name = {one.name: one for one in self.stretches}
        places = np.full(len(times_ns), np.nan)
        order = np.argsort(codes, kind='stable')
        starts = np.searchsorted(codes[order], np.arange(1, len(names)))
        for name, rows in zip(names, np.split(order, starts), strict=False):
            if str(name) in by_name:
                places[rows] = by_name[str(name)].at(times_ns[rows])
        return places


def _intervals(times: Times) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Return the seconds between frames, and which of them are silences."""
    seconds = np.diff(times) * 1e-9
    usual = float(np.median(seconds)) if len(seconds) else 0.0
    return seconds, seconds > max(SILENCE_S, SILENCE_INTERVALS * usual)


def _stretch(name: str, times: Times, start: float, longest: float) -> Stretch:
    seconds, silent = _intervals(times)
    shown = np.where(silent, np.minimum(seconds, longest), seconds)
    places = start + np.concatenate([[0.0], np.cumsum(shown)])
    step = float(np.median(seconds)) if len(seconds) else SILENCE_S
    silences = tuple(
        Silence(float(places[i]), float(places[i + 1]), float(seconds[i]))
        for i in np.flatnonzero(silent)
    )
    return Stretch(name, times, places, float(places[-1]) + max(step, 1e-3), silences)
