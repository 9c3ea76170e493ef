"""Images with a number each: `train/` and `test/` beside `train.csv` and `test.csv`.

image,value
000001.png,4
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_export.data.dataset import LabelledImages
from model_export.data.decode import decode_all
from model_export.data.squares import to_squares
from model_export.errors import ModelExportError
from model_export.recipe.recipe import Recipe

COLUMNS = ['image', 'value']


@dataclass(frozen=True)
class Values(LabelledImages):
    """N images with a number each.

    Attributes:
        labels: What a model trains on, float32 (N,): the numbers as loaded, or standardised.
        mean: Number at label 0.
        deviation: Difference of the numbers at labels 1 and 0.
    """

    labels: npt.NDArray[np.float32]
    class_names: tuple[str, ...] = ('value',)
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Numbers as in the files, float32 (N,)."""
        return np.asarray(self.mean + self.deviation * self.labels, np.float32)

    def score(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """Return the mean absolute error of each exit, in the unit of the numbers."""
        off = np.abs(outputs[..., 0] - self.labels)
        return [self.deviation * float(mean) for mean in off.mean(axis=1)]

    def standardised(self, mean: float, deviation: float) -> Values:
        """Return the same with labels in deviations from the mean."""
        labels = np.asarray((self.values - mean) / deviation, np.float32)
        return replace(self, labels=labels, mean=mean, deviation=deviation)


@dataclass(frozen=True)
class Halves:
    """The train split in two, both standardised by the training half.

    Attributes:
        training: Images that a run trains on.
        held_out: Images that it is measured on, and that its tolerances are chosen on.
        fingerprint: Identity of the train split, as `data.fingerprint` for classes.
    """

    training: Values
    held_out: Values
    fingerprint: str


def load_halves(folder: Path, recipe: Recipe) -> Halves:
    """Load the train split and hold `recipe.held_out` random images out, by `held_out_seed`.

    Raises:
        ModelExportError: As `load_values`; or no images are left to train on, or they all have the
            same value.
    """
    data = load_values(folder, 'train', recipe.backbone.image_size)
    if recipe.held_out >= len(data):
        raise ModelExportError(
            f'held_out {recipe.held_out} takes all {len(data)} images of {folder}: lower it'
        )
    order = np.random.default_rng(recipe.held_out_seed).permutation(len(data))
    training = data.subset(np.sort(order[recipe.held_out :]))
    held_out = data.subset(np.sort(order[: recipe.held_out]))
    mean, deviation = (float(f(training.labels, dtype=np.float64)) for f in (np.mean, np.std))
    if not deviation > 0:
        raise ModelExportError(f'all training images of {folder} have the value {mean:g}')
    return Halves(
        training.standardised(mean, deviation),
        held_out.standardised(mean, deviation),
        fingerprint(data),
    )


def load_values(folder: Path, split: str, image_size: int) -> Values:
    """Load `folder/SPLIT/IMAGE` and `folder/SPLIT.csv`, whose columns are `image,value`.

    Args:
        folder: Folder of the data set.
        split: 'train' or 'test'.
        image_size: Size that images are cropped and resized to, unless all are squares of one
            size that is no larger.

    Raises:
        ModelExportError: The table is missing or invalid, an image is missing, unreadable or listed
            twice, or a value is not a number.
    """
    table = folder / f'{split}.csv'
    listed = _read(table)
    paths = [folder / split / name for name in listed]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ModelExportError(
            f'{table} lists {missing[0]}, which does not exist; {len(missing)} of {len(paths)} '
            f'images are missing'
        )
    files = ((str(path), path) for path in paths)
    images = to_squares(decode_all(files, len(paths)), len(paths), image_size)
    return Values(images, np.array(list(listed.values()), np.float32))


def fingerprint(data: Values) -> str:
    """Return the size of a train split and a hash of its values."""
    digest = hashlib.sha256(data.values.astype('<f4').tobytes()).hexdigest()
    return f'{len(data)} images, values {digest[:16]}'


def _read(table: Path) -> dict[str, float]:
    """Return the value of each image, in the order of the file."""
    try:
        with table.open(newline='', encoding='utf-8-sig') as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise ModelExportError(f'cannot read {table}: {err}') from err
    if not rows or rows[0] != COLUMNS:
        raise ModelExportError(f'{table} must begin with the line image,value. Got {rows[:1]}')
    listed: dict[str, float] = {}
    for number, row in enumerate(rows[1:], start=2):
        where = f'{table}, row {number}'
        if len(row) != len(COLUMNS):
            raise ModelExportError(f'{where} must hold an image and a value. Got {row}')
        name, text = row
        if name in listed:
            raise ModelExportError(f'{where}: image {name!r} is listed twice')
        listed[name] = _number(text, where)
    if not listed:
        raise ModelExportError(f'{table} lists no images')
    return listed


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ModelExportError(f'{where}: value must be a number. Got {text!r}')
    return number
