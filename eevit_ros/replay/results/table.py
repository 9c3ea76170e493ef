"""A table as a CSV file: written row by row, read with all its numbers exact."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

# pandas 3 reads numbers exactly without the argument, which it will drop.
_EXACT: Any = {} if pd.__version__ >= '3' else {'float_precision': 'round_trip'}


@dataclass(frozen=True)
class Row:
    """One row, its fields in the order of the columns; None is an empty cell."""


class RowWriter:
    """Writes rows to a CSV file as they come, so that a replay's memory does not grow.

    Attributes:
        count: Number of rows so far.
    """

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        """Write the header. Fields of a row beyond the last column are left out."""
        self.count = 0
        self._columns = len(columns)
        self._csv = csv.writer(file, lineterminator='\n')
        self._csv.writerow(columns)

    def write(self, row: Row) -> None:
        """Append a row; numbers keep all their digits."""
        self.count += 1
        cells = astuple(row)[: self._columns]
        self._csv.writerow('' if cell is None else cell for cell in cells)


@contextmanager
def row_writer(path: Path, columns: Sequence[str]) -> Iterator[RowWriter]:
    """Open a new file for rows."""
    with path.open('w', newline='', encoding='utf-8') as file:
        yield RowWriter(file, columns)


def read_table(
    path: Path, columns: Sequence[str], text: Collection[str], whole: Collection[str]
) -> Any:
    """Return a table (a pandas DataFrame).

    Args:
        path: The file.
        columns: Columns that it may have.
        text: Those of text; all others are of numbers, and an empty cell is NaN.
        whole: Those of whole numbers, never empty.
    """
    numbers = [name for name in columns if name not in text]
    types: dict[str, Any] = {
        # Not as categories yet: pandas would turn 007 into 7.
        **dict.fromkeys(text, str),
        **{name: 'int64' if name in whole else 'float64' for name in numbers},
    }
    empty = dict.fromkeys(numbers, ['', 'nan'])
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=empty, **_EXACT)
