"""Images in folders, one folder a class."""

from __future__ import annotations

import filecmp
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eevit_ros.images.settings import Range, image_range
from eevit_ros.recordings.folder import OF_SYSTEMS, OTHER_PICTURES, is_picture
from model_export.data.dataset import Dataset
from model_export.data.decode import SKIP, Damaged, decode_all, first_ten, in_words
from model_export.data.groups import FOLDER, group_names
from model_export.data.squares import to_squares
from model_export.errors import ModelExportError


@dataclass(frozen=True)
class Reading:
    """How a folder of images is read.

    Attributes:
        group_by: What belongs together, see `groups.BY`; with 'folder', classes may hold folders.
        skip_damaged: Whether files that cannot be decoded are left out, and not refused.
        black_white: As of `decode_all`.
    """

    group_by: str | None = None
    skip_damaged: bool = False
    black_white: Range | str | None = None

    def __post_init__(self) -> None:
        """Take a range as JSON keeps it.

        Raises:
            EevitError: It is none.
        """
        object.__setattr__(self, 'black_white', image_range(self.black_white))


def load_folder(
    folder: Path,
    image_size: int,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
    wanted: Callable[[str], bool] = lambda _: True,
) -> Dataset:
    """Load `folder/CLASS/*`; classes are numbered in the order of their names.

    Args:
        folder: Folder of the classes.
        image_size: Size that images are cropped and resized to, see `to_squares`.
        reading: How it is read.
        wanted: Whether an image is loaded, given its path relative to `folder`.

    Raises:
        ModelExportError: There are no classes, one has no images or holds folders, or an image
            cannot be read. Names ten of all that is wrong, and counts it.
    """
    classes = class_folders(folder)
    if not classes:
        raise ModelExportError(f'{folder} holds no class folders with images')
    paths: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    wrong: list[str] = []
    for label, (name, class_folder) in enumerate(classes.items()):
        found = [file for part in class_folder for file in _contents(part, reading, wrong)]
        images = [path for path in found if _is_image(path)]
        if not images:
            wrong.append(
                f'{folder / name} holds no images: remove it, here and in the other splits, or '
                f'add images'
            )
        others += sorted(set(found) - set(images))
        images = [path for path in images if wanted(path.relative_to(folder).as_posix())]
        paths += images
        labels += [label] * len(images)
    if others:
        print(f'skipped {len(others)} file(s) in {folder}, no images, such as {others[0]}')
    damaged: list[Damaged] | None = [] if wrong or reading.skip_damaged else None
    files_and_names = ((str(path), path) for path in paths)
    decoded = decode_all(files_and_names, len(paths), damaged, SKIP, reading.black_white)
    if wrong:  # all that is wrong is told at once
        for _ in decoded:
            pass
        bad = f'. Besides, {in_words(damaged, len(paths))}' if damaged else ''
        raise ModelExportError(f'{first_ten(wrong)}; {len(wrong)} in all{bad}')
    squares = to_squares(decoded, len(paths), image_size)
    damaged = damaged or []
    if damaged:
        print(f'skipped damaged images of {folder}: {in_words(damaged, len(paths))}')
    kept = np.setdiff1d(np.arange(len(paths)), [file.index for file in damaged])
    numbers, paths = np.array(labels, np.int64)[kept], [paths[i] for i in kept]
    if missing := sorted(set(range(len(classes))) - set(numbers.tolist())):
        raise ModelExportError(f'no image of class {list(classes)[missing[0]]!r} can be read')
    groups = None
    if reading.group_by:
        groups = group_names(paths, numbers, folder, reading.group_by, squares)
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    return Dataset(squares, numbers, tuple(classes), names, groups, len(damaged))


def _contents(class_folder: Path, reading: Reading, wrong: list[str]) -> list[Path]:
    """Return the files of a class in order; note folders in it where there must be none."""
    files = []
    for path in visible(class_folder):
        if not path.is_dir():
            files.append(path)
        elif reading.group_by == FOLDER:
            files += _contents(path, reading, wrong)
        else:
            wrong.append(
                f'{path} is a folder, but {class_folder} counts as a class and must hold images '
                f'only: expected CLASS/IMAGE; folders in classes are read with --group-by {FOLDER}'
            )
    return files


def warn_of_copies(test: Path, train: Path) -> None:
    """Warn of files of `test` that are also in `train`, byte for byte."""
    warn_of_twins(image_files(test), image_files(train))


def warn_of_twins(tests: Iterable[Path], training: Iterable[Path]) -> None:
    """Warn of test images that are also training images, byte for byte."""
    tests = list(tests)
    sizes = {path.stat().st_size for path in tests}
    alike: defaultdict[tuple[int, bytes], list[Path]] = defaultdict(list)
    for path in training:
        if path.stat().st_size in sizes:
            alike[_size_and_end(path)].append(path)
    copies = [
        path
        for path in tests
        if any(filecmp.cmp(path, twin, shallow=False) for twin in alike[_size_and_end(path)])
    ]
    if copies:
        print(
            f'warning: {len(copies)} test image(s) also for training, such as {copies[0]}: '
            f'the measured accuracy will be too high'
        )


def visible(folder: Path) -> list[Path]:
    """Return a folder's contents in order, without what systems leave there (`._x.jpg`)."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith('.') and path.name not in OF_SYSTEMS
    )


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the folders of each class, by name in order.

    A name with an accent is written in two ways (NFC, NFD): both are one class.
    """
    folders: defaultdict[str, list[Path]] = defaultdict(list)
    for path in visible(folder):
        if path.is_dir():
            folders[unicodedata.normalize('NFC', path.name)].append(path)
    return dict(sorted(folders.items()))


def holds_classes(folder: Path, nested: bool) -> bool:
    """Return whether a folder holds two or more folders of images; `nested`: or of such folders."""
    classes = [path for parts in class_folders(folder).values() for path in parts]
    if len(classes) < 2:
        return False
    return any(map(_holds_images, classes)) or (
        nested
        and any(path.is_dir() and _holds_images(path) for part in classes for path in visible(part))
    )


def _holds_images(folder: Path) -> bool:
    return any(map(_is_image, visible(folder)))


def _is_image(path: Path) -> bool:
    # Those of other formats are refused: half of the photos would be missing.
    return is_picture(path) or path.suffix.lower() in OTHER_PICTURES


def is_class(folder: Path) -> bool:
    """Return whether a folder holds images, and no folders."""
    contents = visible(folder)
    return any(map(_is_image, contents)) and not any(path.is_dir() for path in contents)


def image_files(folder: Path) -> list[Path]:
    """Return the images of all classes, those in folders inside them, too."""
    found = (file for parts in class_folders(folder).values() for file in parts)
    every = Reading(FOLDER)
    return [path for part in found for path in _contents(part, every, []) if _is_image(path)]


def _size_and_end(path: Path) -> tuple[int, bytes]:
    """Return what differs between nearly all files and is fast to read."""
    with path.open('rb') as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1024))
        return size, file.read()
