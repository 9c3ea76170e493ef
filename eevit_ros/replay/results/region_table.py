"""The table of a replay's regions: one row a box of the detector, in the order of its messages.

Columns (units in the names; an empty cell where nothing is known):

    bag                   name of the source
    camera                name of the camera; empty of the only one
    index                 place of the frame in its source, from 0
    stamp_ns              header stamp
    region                place of the box in the message, from 0
    id                    that the detector gave it
    x, y                  centre of the box, pixels of the picture as the camera sent it
    width, height         size, pixels
    theta                 angle, radians
    detected              the detector's best class
    score                 the detector's score for it
    status                answered, unclassified (no time was left), unusable (see notes)
    label                 what goes out: with memory, the mean of several answers
    truth                 what it is
    confidence            of the label, 0..1
    exit_layer            layers that ran
    depth                 their share of the model's layers
    macs                  multiply-accumulates that ran
    notes                 why the box is unusable
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eevit_ros.replay.results.table import Row, RowWriter, read_table, row_writer

UNCLASSIFIED, UNUSABLE = 'unclassified', 'unusable'


@dataclass(frozen=True)
class RegionRow(Row):
    """One row; the columns are described above."""

    bag: str
    camera: str
    index: int
    stamp_ns: int
    region: int
    id: str
    x: float
    y: float
    width: float
    height: float
    theta: float
    detected: str
    score: float
    status: str
    label: str = ''
    truth: str = ''
    confidence: float | None = None
    exit_layer: int | None = None
    depth: float | None = None
    macs: int | None = None
    notes: str = ''


REGION_COLUMNS = tuple(field.name for field in fields(RegionRow))
_TEXT = ('bag', 'camera', 'id', 'detected', 'status', 'label', 'truth', 'notes')
_WHOLE = ('index', 'stamp_ns', 'region')


def region_writer(path: Path) -> AbstractContextManager[RowWriter]:
    """Open a new file for rows."""
    return row_writer(path, REGION_COLUMNS)


def read_regions(path: Path) -> Any:
    """Return the table (a pandas DataFrame), all numbers exact."""
    return read_table(path, REGION_COLUMNS, _TEXT, _WHOLE)
