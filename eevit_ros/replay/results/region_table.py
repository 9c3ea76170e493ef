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

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from eevit_ros.replay.results.frame_table import ANSWERED

UNCLASSIFIED, UNUSABLE = 'unclassified', 'unusable'


@dataclass(frozen=True)
class RegionRow:
    """One row; None is an empty cell. The columns are described above."""

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
_TYPES: dict[str, Any] = {
    name: str if name in _TEXT else 'int64' if name in _WHOLE else 'float64'
    for name in REGION_COLUMNS
}


class RegionWriter:
    """Writes rows to a CSV file as they come."""

    def __init__(self, file: TextIO) -> None:
        """Write the header."""
        self._csv = csv.writer(file, lineterminator='\n')
        self._csv.writerow(REGION_COLUMNS)

    def write(self, row: RegionRow) -> None:
        """Append a row; numbers keep all their digits."""
        self._csv.writerow('' if cell is None else cell for cell in astuple(row))


@contextmanager
def region_writer(path: Path) -> Iterator[RegionWriter]:
    """Open a new file for rows."""
    with path.open('w', newline='', encoding='utf-8') as file:
        yield RegionWriter(file)


def read_regions(path: Path) -> Any:
    """Return the table (a pandas DataFrame)."""
    return pd.read_csv(
        path,
        dtype=_TYPES,
        keep_default_na=False,
        na_values={name: ['', 'nan'] for name in REGION_COLUMNS if name not in _TEXT},
    )


def summarise_regions(
    regions: pd.DataFrame, layers: Sequence[int]
) -> tuple[dict[str, float | int | None], list[dict[str, Any]]]:
    """Count and average.

    Args:
        regions: The table.
        layers: Layers after which a region may leave.

    Returns:
        Metrics, one number (or None) each, and a row for each of `layers`.
    """
    answered = regions[regions['status'] == ANSWERED]
    right = (answered['label'] == answered['truth'])[answered['truth'] != '']
    metrics = {
        'regions': len(regions),
        'regions_answered': len(answered),
        'regions_labelled': len(right),
        'region_accuracy': _mean(right),
        'region_exit_layer_mean': _mean(answered['exit_layer']),
    }
    exits = []
    for layer in layers:
        here = answered['exit_layer'] == layer
        accuracy = _mean(right[here])
        exits.append(
            {'layer': layer, 'regions': int(here.sum()), 'share': _mean(here), 'accuracy': accuracy}
        )
    return metrics, exits


def _mean(values: pd.Series[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
