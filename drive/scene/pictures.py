"""The pictures along the path: a sheet of labelled CIFAR-100 test images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from drive.errors import DriveError

Image = npt.NDArray[np.uint8]

SIDE = 32  # px
COLUMNS = 28
COUNT = 560
SHEET = Path(__file__).with_name('pictures.png')
LABELS = Path(__file__).with_name('pictures.json')


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        pixels: uint8 (32, 32, 3) RGB.
        label: Name of the class that it shows.
    """

    pixels: Image
    label: str


@cache
def read_pictures() -> tuple[Picture, ...]:
    """Return all pictures of the sheet.

    Raises:
        DriveError: The sheet or its labels are missing or do not fit together.
    """
    sheet = cv2.imread(str(SHEET), cv2.IMREAD_COLOR) if SHEET.is_file() else None
    try:
        labels: list[str] = json.loads(LABELS.read_text())
    except (OSError, json.JSONDecodeError) as err:
        raise DriveError(f'cannot read {LABELS} ({err}): restore it with git') from err
    size = (COUNT // COLUMNS * SIDE, COLUMNS * SIDE, 3)
    if sheet is None or sheet.shape != size or len(labels) != COUNT:
        found = 'not an image' if sheet is None else f'{sheet.shape} and {len(labels)} labels'
        raise DriveError(
            f'{SHEET} must be an image of shape {size} with {COUNT} labels. Got {found}; restore '
            'it with git, or run python -m drive.scene.make_pictures'
        )
    rgb = cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB)
    cells = rgb.reshape(-1, SIDE, COLUMNS, SIDE, 3).swapaxes(1, 2).reshape(COUNT, SIDE, SIDE, 3)
    return tuple(
        Picture(np.ascontiguousarray(c, np.uint8), name)
        for c, name in zip(cells, labels, strict=True)
    )
