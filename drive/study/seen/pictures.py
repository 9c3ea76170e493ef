"""The pictures of the study, by number: those of the shipped sheet, then more from CIFAR-100.

The further ones are test images too, none of them on the sheet or in the training set;
`pictures.json` lists their rows in the public file and what they show. Answers to them can be kept,
so the study needs the public file only for a model that it has not asked yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from drive.errors import DriveError
from drive.scene.pictures import COUNT, SIDE, Image, read_pictures

MORE = Path(__file__).with_name('pictures.json')


@cache
def labels() -> tuple[str, ...]:
    """Return what each picture shows."""
    return (*(picture.label for picture in read_pictures()), *_more()['labels'])


def read_pixels(numbers: range, cifar: Path | None) -> Mapping[int, Image]:
    """Return pictures, uint8 (32, 32, 3) RGB, by number.

    Args:
        numbers: Of the pictures.
        cifar: Folder of the public `cifar100` set's parquet files; None if it is not there.

    Raises:
        DriveError: Some are not on the sheet, and cannot be read from the folder.
    """
    sheet = read_pictures()
    found = {number: sheet[number].pixels for number in numbers if number < COUNT}
    further = [number for number in numbers if number >= COUNT]
    return found | (_read_further(further, cifar) if further else {})


def _read_further(numbers: list[int], cifar: Path | None) -> dict[int, Image]:
    file = next(iter(sorted(cifar.glob('test-*.parquet'))), None) if cifar else None
    if file is None:
        raise DriveError(f'{len(numbers)} pictures need the test images of CIFAR-100: --cifar')
    try:
        import pyarrow.parquet as pq
    except ImportError as err:
        raise DriveError('reading CIFAR-100 needs pyarrow: pip install pyarrow') from err
    rows = _more()['rows']
    wanted = pq.read_table(file, columns=['img']).take([rows[n - COUNT] for n in numbers])
    return {
        number: _decoded(image['bytes'])
        for number, image in zip(numbers, wanted['img'].to_pylist(), strict=True)
    }


def _decoded(encoded: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIDE, SIDE, 3):
        raise DriveError('a picture of CIFAR-100 cannot be decoded')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


@cache
def _more() -> dict[str, list[int] | list[str]]:
    try:
        found: dict[str, list[int] | list[str]] = json.loads(MORE.read_text())
    except (OSError, json.JSONDecodeError) as err:
        raise DriveError(f'cannot read {MORE} ({err}): restore it with git') from err
    return found
