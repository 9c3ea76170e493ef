"""Parquet and Arrow files, as Hugging Face `datasets` writes them, read without that library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from model_export.data.columns import Columns, choose_columns
from model_export.data.dataset import Dataset
from model_export.data.decode import SKIP, Damaged, Encoded, decode_all, in_words
from model_export.data.folder import Reading
from model_export.data.squares import to_squares
from model_export.errors import ModelExportError

_ROWS = 256  # read at once
_MOST_CLASSES = 1_000_000  # a larger label is something else, such as a hash
_UNREADABLE = (OSError, LookupError, ValueError, pa.ArrowException)
_PART = re.compile(r'-(\d+)-of-(\d+)$')


def load_tables(
    files: list[Path],
    columns: tuple[str, ...],
    image_size: int,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> Dataset:
    """Load the rows of all `files`, in order.

    Args:
        files: Parquet files, or Arrow files of either kind (stream or file).
        columns: Names of the image and label column, as far as the user gives them.
        image_size: Size that images are cropped and resized to, see `to_squares`.
        reading: How the images are read; groups are not made.

    Raises:
        ModelExportError: A part is missing, the columns are ambiguous, or a row has no label or no
            image that can be decoded.
    """
    _check_parts(files)
    chosen = choose_columns(_schema(files[0]), columns, files[0])
    for file in files[1:]:
        if choose_columns(_schema(file), columns, file) != chosen:
            raise ModelExportError(f'{file} has other columns or classes than {files[0]}')
    # All labels first: they are small, and a wrong one shows before any image is decoded.
    labels = [label for file in files for label in _cells(file, chosen.label)]
    if not labels:
        raise ModelExportError(f'{files[0]} holds no images')
    numbers, names = _numbered(labels, chosen, files)
    damaged: list[Damaged] | None = [] if reading.skip_damaged else None
    files_of_rows = _images(files, chosen.image)
    images = decode_all(files_of_rows, len(labels), damaged, SKIP, reading.black_white)
    squares = to_squares(images, len(labels), image_size)
    if damaged:
        print(f'skipped damaged images: {in_words(damaged, len(labels))}')
        numbers = np.delete(numbers, [image.index for image in damaged])
    return Dataset(squares, numbers, names, skipped=len(damaged or ()))


def _numbered(
    labels: list[Any], chosen: Columns, files: list[Path]
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Return labels as numbers, and the classes' names; texts are numbered in sorted order."""
    where = f'{files[0].parent}, column {chosen.label!r}'
    if missing := sum(label is None for label in labels):
        raise ModelExportError(f'{where}: {missing} of {len(labels)} rows have no label')
    if isinstance(labels[0], str):
        text_names, text_labels = np.unique(labels, return_inverse=True)
        return text_labels.astype(np.int64), tuple(str(name) for name in text_names)
    numbers = np.array([min(label, _MOST_CLASSES) for label in labels], np.int64)
    if (numbers < 0).all():
        raise ModelExportError(
            f'{where}: no row is labelled, all are {numbers[0]}. If the set has a labelled '
            f'validation split, remove these files to test on it'
        )
    if not chosen.class_names and numbers.max() >= _MOST_CLASSES:
        raise ModelExportError(
            f'{where}: labels go up to {max(labels)} and have no names, so they do not number '
            f'classes. Name another column after the folder: --data FOLDER:COLUMN'
        )
    names = chosen.class_names or tuple(str(number) for number in range(numbers.max() + 1))
    wrong = np.flatnonzero((numbers < 0) | (numbers >= len(names)))
    if wrong.size:
        raise ModelExportError(
            f'{where}: labels must be 0 to {len(names) - 1}. Got {numbers[wrong[0]]} in row '
            f'{wrong[0]}, counted from 0; {wrong.size} of {len(labels)} are wrong'
        )
    return numbers, names


def _images(files: list[Path], column: str) -> Iterator[Encoded]:
    for file in files:
        for row, cell in enumerate(_cells(file, column)):
            # datasets holds bytes, or the path of a file on this machine.
            data = cell
            if isinstance(cell, dict):
                path = cell.get('path')
                data = Path(path) if path and cell.get('bytes') is None else cell.get('bytes')
            yield f'image of row {row} (from 0) in {file}', data


def _check_parts(files: list[Path]) -> None:
    """Refuse a set with missing parts."""
    parts = [part for file in files if (part := _PART.search(file.stem))]
    expected = {int(part[2]) for part in parts}
    if parts and expected != {len(files)}:
        raise ModelExportError(
            f'{files[0].parent} holds {len(files)} files of a set with '
            f'{" or ".join(map(str, sorted(expected)))}: {[file.name for file in files]}'
        )


def _schema(file: Path) -> pa.Schema:
    try:
        if file.suffix == '.parquet':
            schema = pq.read_schema(file)
        else:
            with pa.memory_map(str(file)) as source:
                schema = _open_arrow(source).schema
        schema.names  # noqa: B018 (fails if they are not UTF-8)
        return schema
    except _UNREADABLE as err:
        raise ModelExportError(f'cannot read {file}: {err}') from err


def _cells(file: Path, column: str) -> Iterator[Any]:
    """Yield the values of a column, holding a few hundred at a time."""
    try:
        if file.suffix == '.parquet':
            with pq.ParquetFile(file) as table:
                for batch in table.iter_batches(_ROWS, columns=[column]):
                    yield from _values(batch, column)
            return
        with pa.memory_map(str(file)) as source:
            reader = _open_arrow(source)
            if isinstance(reader, pa.RecordBatchFileReader):
                for number in range(reader.num_record_batches):
                    yield from _values(reader.get_batch(number), column)
            else:
                for batch in reader:
                    yield from _values(batch, column)
    except _UNREADABLE as err:
        raise ModelExportError(f'cannot read {file}: {err}') from err


def _values(batch: pa.RecordBatch, column: str) -> list[Any]:
    values = batch.column(column)
    values.validate(full=True)  # a damaged Arrow file may point anywhere in memory
    return values.to_pylist()


def _open_arrow(source: pa.MemoryMappedFile) -> Any:
    magic = source.read(6)
    source.seek(0)
    return pa.ipc.open_file(source) if magic == b'ARROW1' else pa.ipc.open_stream(source)
