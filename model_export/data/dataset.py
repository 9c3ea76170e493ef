"""Labelled images: their classes, their fingerprint, and the held-out part."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from eevit_ros.images.resize import Image
from model_export.data.groups import Groups, draw_exactly
from model_export.data.squares import Squares
from model_export.errors import ModelExportError

# Square images uint8 (S, S, 3) RGB, on disk or as an array (N, S, S, 3).
Images: TypeAlias = Squares | Image


Set = TypeVar('Set', bound='LabelledImages')


@dataclass(frozen=True)
class LabelledImages:
    """N images and what a model should answer to each: a class (`Dataset`) or a number (`Values`).

    Attributes:
        images: Square images.
        labels: Target of each image, (N,).
        class_names: Name of each output of a model.
    """

    images: Images
    labels: npt.NDArray[Any]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def subset(self: Set, index: npt.NDArray[np.int64]) -> Set:
        """Return the images at `index`, in that order."""
        return replace(self, images=self.images[index], labels=self.labels[index])

    def spread(self: Set, count: int) -> Set:
        """Return at most `count` images, evenly spaced: sets are often sorted by class."""
        index = np.linspace(0, len(self) - 1, min(count, len(self)))
        return self.subset(index.astype(np.int64))

    def score(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """Return how good the outputs (E + 1, N, C) of each exit are."""
        raise NotImplementedError


@dataclass(frozen=True)
class Dataset(LabelledImages):
    """N images with a class each; the labels are numbers of classes, int64 (N,).

    Attributes:
        names: Files relative to the folder that was read, N or none.
        groups: Group of each image, (N,), if images were grouped.
        skipped: Damaged files that were left out when the set was read.
    """

    labels: npt.NDArray[np.int64]
    names: tuple[str, ...] = ()
    groups: Groups | None = None
    skipped: int = 0

    def subset(self, index: npt.NDArray[np.int64]) -> Dataset:
        """Return the images at `index`, in that order, with their names and groups."""
        return replace(
            super().subset(index),
            names=tuple(self.names[i] for i in index) if self.names else (),
            groups=None if self.groups is None else self.groups[index],
        )

    def score(self, outputs: npt.NDArray[np.float32]) -> list[float]:
        """Return the share of correct answers of each exit."""
        return [float(share) for share in (outputs.argmax(-1) == self.labels).mean(axis=1)]


def fingerprint(data: Dataset) -> str:
    """Return what identifies a training set: its size, and a hash of labels and class names.

    They decide which images are held out, and groups do if there are any, so a resumed run and the
    export must find the same. The pixels are not hashed: decoders differ in the last bit.
    """
    facts = json.dumps(data.class_names).encode() + data.labels.astype('<i8').tobytes()
    known = f'{len(data)} images, labels {hashlib.sha256(facts).hexdigest()[:16]}'
    if data.groups is None:
        return known
    words = json.dumps(data.groups.tolist()).encode()
    return f'{known}, groups {hashlib.sha256(words).hexdigest()[:8]}'


def check_classes(data: Dataset, expected: tuple[str, ...], where: Path | str) -> None:
    """Refuse data at `where` whose labels mean other classes than the model's.

    Raises:
        ModelExportError: A class is missing or unknown, or the order differs.
    """
    # A name with an accent is written in two ways; file systems differ.
    names, expected = (
        tuple(unicodedata.normalize('NFC', name) for name in kind)
        for kind in (data.class_names, expected)
    )
    numbered = expected == tuple(str(label) for label in range(len(expected)))
    if names == expected or (numbered and names == expected[: len(names)]):
        return  # without names, a set without the last classes looks complete, and does no harm
    missing, unknown = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    raise ModelExportError(
        f'{where} has other classes than the model: missing {missing}, unknown {unknown}'
        + ('' if missing or unknown else ', another order')
    )


def split_held_out(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """Split `count` images off, the same number of each class; return the rest and them.

    Where images are grouped, whole groups are split off. What is left over of the last one is in
    neither part.

    Raises:
        ModelExportError: `count` is not a multiple of the classes, or takes all images or groups of
            one.
    """
    classes = len(data.class_names)
    if count < 1 or count % classes:
        raise ModelExportError(
            f'held_out must be a positive multiple of the {classes} classes. Got {count}'
        )
    each = count // classes
    for name, images in zip(
        data.class_names, np.bincount(data.labels, minlength=classes), strict=True
    ):
        if images <= each:
            raise ModelExportError(
                f'held_out {count} takes {each} images of each class, but class {name!r} has '
                f'{images}: lower held_out or add images'
            )
    if data.groups is not None:
        return _split_groups(data, data.groups, each, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    held_out = np.concatenate([order[data.labels[order] == c][:each] for c in range(classes)])
    rest = np.setdiff1d(np.arange(len(data)), held_out)
    return data.subset(rest), data.subset(np.sort(held_out))


def _split_groups(data: Dataset, groups: Groups, each: int, seed: int) -> tuple[Dataset, Dataset]:
    held_out, unused = [], []
    for label, name in enumerate(data.class_names):
        of_class = np.flatnonzero(data.labels == label)
        taken, left_over = draw_exactly(groups[of_class], each, seed)
        if len(taken) < each:
            raise ModelExportError(
                f'held_out takes {each} images of each class, in whole groups, but class {name!r} '
                f'has {len(set(groups[of_class]))} groups: one must stay, and the others have '
                f'{len(taken)} images: lower held_out, or group otherwise (--group-by)'
            )
        held_out.append(of_class[taken])
        unused.append(of_class[left_over])
    out, left = np.sort(np.concatenate(held_out)), np.concatenate(unused)
    if len(left):
        print(f'{len(left)} images are not used: others of their groups are held out')
    rest = np.setdiff1d(np.arange(len(data)), np.concatenate([out, left]))
    return data.subset(rest), data.subset(out)
