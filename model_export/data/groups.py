"""Groups of images that are not independent: one place, one day, one burst of a camera.

What is held out, or set aside for tests, is drawn by groups, so that nearly the same picture is
never on both sides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.images.resize import Image
from eevit_ros.recordings.source import natural_key
from model_export.errors import UsageError

if TYPE_CHECKING:
    from model_export.data.dataset import Images

# Name of the group of each image, (N,); unique among all classes.
Groups: TypeAlias = npt.NDArray[np.str_]
Indices: TypeAlias = npt.NDArray[np.int64]

FOLDER, BURST = 'folder', 'burst'
BY = f"'{FOLDER}', '{BURST}' or a pattern of file names, such as '^[a-z]+_[0-9]+'"
# Correlation of two pictures of one scene. Strangers of a class seldom reach it, unless nothing is
# behind them.
_ALIKE = 0.9
_SIGNATURE = 32  # pixels along one side of the pictures that are compared
_MOVED = 4  # of them, by which a hand may have moved the camera meanwhile
_FLAT = 2.0  # grey levels: below such a deviation a picture has no shape to compare


def group_names(
    paths: Sequence[Path], labels: Indices, root: Path, group_by: str, images: Images
) -> Groups:
    """Return the group of each image.

    Args:
        paths: N files below `root`, class by class.
        labels: Their classes, (N,).
        root: Folder of the classes.
        group_by: `BY` says what it may be. A pattern's first group counts, or all that it matches.
        images: Their pixels, for bursts.

    Raises:
        UsageError: The pattern is none, or does not match a file.
    """
    if group_by == FOLDER:
        return np.array([str(path.parent.relative_to(root)) for path in paths])
    if group_by == BURST:
        return _bursts(paths, labels, root, images)
    try:
        found = [re.search(group_by, path.name) for path in paths]
    except re.error as err:
        raise UsageError(f'--group-by must be {BY}. Got {group_by!r}: {err}') from err
    others = [path for path, match in zip(paths, found, strict=True) if not match]
    if others:
        raise UsageError(
            f'--group-by {group_by!r} must match every file name. {len(others)} of {len(paths)} do '
            f'not match, such as {others[0]}'
        )
    words = [match[1] if match.re.groups else match[0] for match in found if match]
    return np.array([f'{label}/{word}' for label, word in zip(labels, words, strict=True)])


def draw(groups: Groups, count: int, seed: int) -> Indices:
    """Return images of whole groups, `count` or fewer; at least one group is drawn and one left.

    The order in which groups are tried follows from their names and the seed, so that one more
    group changes little. A group that is larger than what is still wanted is passed over.

    Args:
        groups: Of the images of one class.
        count: Wanted images.
        seed: Of the order.
    """
    names, sizes = np.unique(groups, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: _hash(str(names[i]), seed))
    taken: list[int] = []
    for i in order:
        if sizes[taken].sum() + sizes[i] <= count and len(taken) + 1 < len(names):
            taken.append(i)
    if not taken and len(names) > 1:
        taken = [min(order, key=lambda i: int(sizes[i]))]
    return np.flatnonzero(np.isin(groups, names[taken]))


def draw_exactly(groups: Groups, count: int, seed: int) -> tuple[Indices, Indices]:
    """Return `count` images of whole groups, and those that are left over of the last group.

    Neither may be trained on. Fewer are returned if no more groups can be drawn.
    """
    held = draw(groups, count, seed)
    nothing = np.array([], np.int64)
    left = np.setdiff1d(np.arange(len(groups)), held)
    names, sizes = np.unique(groups[left], return_counts=True)
    if len(held) > count:  # the smallest group is larger
        spread = np.linspace(0, len(held) - 1, count).astype(np.int64)
        return held[spread], np.setdiff1d(held, held[spread])
    if len(held) == count or len(names) < 2:
        return held, nothing
    smallest = int(np.argmin(sizes))
    last = left[groups[left] == names[smallest]]
    spread = np.linspace(0, len(last) - 1, min(count - len(held), len(last))).astype(np.int64)
    more = last[spread]
    return np.sort(np.concatenate([held, more])), np.setdiff1d(last, more)


def near_equal(names: Sequence[str], labels: Indices, images: Images) -> int:
    """Count the images that are nearly equal to the one before, of the same class."""
    order = _in_order([Path(name) for name in names], labels)
    signatures = [_signature(images[i]) for i in order]
    return sum(
        _alike(signatures[i - 1], signatures[i])
        for i in range(1, len(order))
        if labels[order[i - 1]] == labels[order[i]]
    )


def _bursts(paths: Sequence[Path], labels: Indices, root: Path, images: Images) -> Groups:
    """Chain images that are nearly equal to the one before, and join equal ones of a class.

    A group is named after its first file.
    """
    order = _in_order(paths, labels)
    first_of = list(range(len(paths)))
    seen: dict[tuple[int, bytes], int] = {}
    before: tuple[int, Image] | None = None
    for i in order:
        signature = _signature(images[i])
        same_class = before is not None and labels[before[0]] == labels[i]
        twin = seen.setdefault((int(labels[i]), signature.tobytes()), i)
        if before is not None and same_class and _alike(before[1], signature):
            first_of[i] = first_of[before[0]]
        elif twin != i:
            first_of[i] = first_of[twin]
        before = i, signature
    return np.array([str(paths[first].relative_to(root)) for first in first_of])


def _in_order(paths: Sequence[Path], labels: Indices) -> list[int]:
    """Return the images in the order of classes, folders and names, frame_2 before frame_10."""
    keys = [
        (label, path.parent, natural_key(path)) for label, path in zip(labels, paths, strict=True)
    ]
    return sorted(range(len(paths)), key=keys.__getitem__)


def _signature(image: Image) -> Image:
    size = (_SIGNATURE, _SIGNATURE)
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.uint8)


def _alike(a: Image, b: Image) -> bool:
    """Return whether two signatures show the same, perhaps moved or in another light."""
    if max(a.std(), b.std()) < _FLAT:
        return bool(cv2.absdiff(a, b).mean() < _FLAT)
    inner = slice(_MOVED, -_MOVED)
    parts = (a, b), (a[inner, inner], b), (b[inner, inner], a)
    return any(
        part.std() >= _FLAT and cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max() > _ALIKE
        for part, whole in parts
    )


def _hash(name: str, seed: int) -> bytes:
    return hashlib.sha256(f'{seed}/{name}'.encode(errors='surrogateescape')).digest()
