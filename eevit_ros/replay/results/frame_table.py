"""The table of a replay: one row a recorded frame, in the order of arrival.

Columns (units in the names; an empty cell, NaN or '', where nothing is known):

    bag                   name of the source
    index                 place of the frame in its source, from 0
    stamp_ns              header stamp
    received_ns           when it arrived, with regions it and its detections, by the recorder's
                          clock as it was at the start
    status                answered, dropped (a newer frame replaced it), bad (could not be read);
                          with regions also unasked: no detections, or no box to ask about
    label                 the answer; with regions this and the next columns are those of the
                          hardest one
    truth                 what it shows
    reference             the answer at full depth
    confidence            of the answer, 0..1
    exit_layer            layers that ran
    depth                 their share of the model's layers
    macs                  multiply-accumulates that ran
    adaptive_rate         right after the answer
    speed_limit_percent   the governor's limit right after the answer (for all frames that came)
    latency_ms            decoding and preparing the frame, and inference
    age_ms                from stamp to answer; empty on a clock mismatch or for useless stamps
    notes                 blind, frozen, unsure, shifted, ageless, or the error of a bad frame
    place                 where the truth says that the frame was taken
    contrast              of the frame, 0..127.5
    camera                name of the camera; the file has this column where there are several,
                          and `index` then counts the frames of all
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eevit_ros.replay.results.table import Row, RowWriter, read_table, row_writer

ANSWERED, DROPPED, BAD, UNASKED = 'answered', 'dropped', 'bad', 'unasked'

NOTES = ('blind', 'frozen', 'unsure', 'shifted', 'ageless')
"""Words that the column `notes` may hold for an answered frame."""

LIMIT_COLUMNS = ('bag', 'time_ns', 'adaptive_rate', 'speed_limit_percent')
"""Columns of limits.csv: what both nodes published by their timers, ten times a second."""


@dataclass(frozen=True)
class FrameRow(Row):
    """One row; the columns are described above."""

    bag: str
    index: int
    stamp_ns: int
    received_ns: int
    status: str
    label: str = ''
    truth: str = ''
    reference: str = ''
    confidence: float | None = None
    exit_layer: int | None = None
    depth: float | None = None
    macs: int | None = None
    adaptive_rate: float | None = None
    speed_limit_percent: float | None = None
    latency_ms: float | None = None
    age_ms: float | None = None
    notes: str = ''
    place: str = ''
    contrast: float | None = None
    camera: str = ''


COLUMNS = tuple(field.name for field in fields(FrameRow))
_TEXT = ('bag', 'status', 'label', 'truth', 'reference', 'notes', 'place', 'camera')
_WHOLE = ('index', 'stamp_ns', 'received_ns')


class InOrder:
    """Writes rows in the order of their index, whichever is known first."""

    def __init__(self, rows: RowWriter) -> None:
        """Write to `rows`."""
        self._rows = rows
        self._next = 0
        self._waiting: dict[int, FrameRow] = {}

    def write(self, row: FrameRow) -> None:
        """Take the row of a frame; each index from 0 on comes once."""
        self._waiting[row.index] = row
        while self._next in self._waiting:
            self._rows.write(self._waiting.pop(self._next))
            self._next += 1


def frame_writer(path: Path, *, cameras: bool = False) -> AbstractContextManager[RowWriter]:
    """Open a new file for rows; with `cameras` the table has that column."""
    return row_writer(path, COLUMNS if cameras else COLUMNS[:-1])


def read_frames(path: Path) -> Any:
    """Return the table (a pandas DataFrame): text as categories, all numbers exact."""
    frames = read_table(path, COLUMNS, _TEXT, _WHOLE)
    if 'camera' not in frames:
        frames['camera'] = ''
    return frames[list(COLUMNS)].astype(dict.fromkeys(_TEXT, 'category'))


def read_limits(path: Path) -> Any:
    """Return the table of limits, all numbers exact."""
    return read_table(path, LIMIT_COLUMNS, ['bag'], ['time_ns'])
