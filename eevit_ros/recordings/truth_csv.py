"""Labels from a CSV file.

With a header row, in UTF-8: column `label` and one of these; other columns are ignored:

    stamp         header stamp: seconds, or nanoseconds when above 1e14
    frame         index of the frame, from 0
    start, end    interval of stamps, both ends included
    first, last   interval of indices, both ends included

A column `place` may name where the frames are, for the risk by place.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.stamps import parse_stamp

_KEYS = {
    ('stamp',): 'stamp',
    ('frame',): 'frame',
    ('start', 'end'): 'stamp',
    ('first', 'last'): 'frame',
}
_ASKED = 'label, and stamp or frame or start,end or first,last'


@dataclass(frozen=True)
class Label:
    """The label of an interval of frames, both ends included.

    Attributes:
        first: Stamp in nanoseconds, or index.
        last: Stamp or index of the last frame; equals `first` for a single frame.
        name: Name of the class.
        line: Line of the file for messages: ', line 3', or ''.
        place: Name of the place, or ''.
    """

    first: int
    last: int
    name: str
    line: str
    place: str = ''


def read_labels(path: Path) -> tuple[str, list[Label]]:
    """Read a file.

    Returns:
        'stamp' or 'frame', the kind of the intervals, and the labels.

    Raises:
        RecordingError: It cannot be read; names file, line and value.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.DictReader(file, skipinitialspace=True, strict=True)
            names = [(name or '').strip() for name in rows.fieldnames or ()]
            rows.fieldnames = names
            columns = _key_columns(path, names)
            by = _KEYS[columns]
            read = parse_stamp if by == 'stamp' else _parse_index
            labels = list(_labels(path, rows, columns, read))
    except OSError as err:
        raise RecordingError(f'truth {path} cannot be read: {err.strerror}') from err
    except (UnicodeDecodeError, csv.Error) as err:
        raise RecordingError(f'truth {path} is not a CSV file in UTF-8: {err}') from err
    if not labels:
        raise RecordingError(f'truth {path} holds no label, only a header row')
    return by, labels


def _key_columns(path: Path, names: list[str]) -> tuple[str, ...]:
    found = [columns for columns in _KEYS if set(columns) <= set(names)]
    if 'label' not in names or len(found) != 1 or len(set(names)) < len(names):
        raise RecordingError(
            f'truth {path} needs these columns, each once: {_ASKED}. Got {", ".join(names)!r}'
        )
    return found[0]


def _labels(
    path: Path,
    rows: csv.DictReader[str],
    columns: tuple[str, ...],
    read: Callable[[str], int],
) -> Iterator[Label]:
    for row in rows:
        where = f'truth {path}, line {rows.line_num}'
        if None in row:
            raise RecordingError(f'{where}: more values than columns: quote a value with a comma')
        name = (row['label'] or '').strip()
        if not name:
            raise RecordingError(f'{where}: the label is empty: remove the row')
        try:
            first, last = (read((row[column] or '').strip()) for column in (columns * 2)[:2])
        except ValueError as err:
            raise RecordingError(f'{where}: {err}') from err
        if last < first:
            raise RecordingError(
                f'{where}: {columns[0]} {row[columns[0]]} comes after {columns[1]} '
                f'{row[columns[1]]}'
            )
        place = (row.get('place') or '').strip()
        yield Label(first, last, name, f', line {rows.line_num}', place)


def _parse_index(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f'{text!r} is not an index of a frame: 0, 1, 2, ...')
    return int(text)
