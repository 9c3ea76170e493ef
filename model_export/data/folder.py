"""Images in folders, one folder a class."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from pathlib import Path

import numpy as np

from model_export.data.dataset import Dataset
from model_export.data.decode import decode_all
from model_export.data.squares import to_squares
from model_export.errors import ModelExportError

# Files that people and tools put beside images. A file with any other suffix must be an image.
_NO_IMAGES = {'.csv', '.db', '.html', '.ini', '.json', '.log', '.md', '.txt', '.xml', '.yaml'}


def load_folder(folder: Path, image_size: int) -> Dataset:
    """Load `folder/CLASS/*`; classes are numbered in the order of their names.

    Raises:
        ModelExportError: There are no classes, one has no images or holds folders, or an image
            cannot be read.
    """
    classes = _class_folders(folder)
    if not classes:
        raise ModelExportError(f'{folder} holds no class folders with images')
    paths: list[Path] = []
    labels: list[int] = []
    others: list[Path] = []
    for label, class_folder in enumerate(classes):
        files = visible(class_folder)
        for path in files:
            if path.is_dir():
                raise ModelExportError(
                    f'{path} is a folder, but {class_folder} counts as a class and must hold '
                    f'images only: expected {folder}/CLASS/IMAGE'
                )
        images = [path for path in files if path.suffix.lower() not in _NO_IMAGES]
        if not images:
            raise ModelExportError(
                f'{class_folder} holds no images: remove it, here and in the other splits, or '
                f'add images'
            )
        others += sorted(set(files) - set(images))
        paths += images
        labels += [label] * len(images)
    if others:
        print(f'skipped {len(others)} files in {folder} that are not images, such as {others[0]}')
    files_and_names = ((str(path), path) for path in paths)
    squares = to_squares(decode_all(files_and_names, len(paths)), len(paths), image_size)
    return Dataset(squares, np.array(labels, np.int64), tuple(path.name for path in classes))


def warn_of_copies(test: Path, train: Path) -> None:
    """Warn of files of `test` that are also in `train`, byte for byte."""
    tests = _files(test)
    sizes = {path.stat().st_size for path in tests}
    alike: defaultdict[tuple[int, bytes], list[Path]] = defaultdict(list)
    for path in _files(train):
        if path.stat().st_size in sizes:
            alike[_size_and_end(path)].append(path)
    copies = [
        path
        for path in tests
        if any(filecmp.cmp(path, twin, shallow=False) for twin in alike[_size_and_end(path)])
    ]
    if copies:
        print(
            f'warning: {len(copies)} test images are also training images, such as {copies[0]}: '
            f'the measured accuracy will be too high'
        )


def visible(folder: Path) -> list[Path]:
    """Return a folder's contents in order, without what tools leave there (.DS_Store, __MACOSX)."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith('.') and path.name != '__MACOSX'
    )


def _class_folders(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [
        path
        for class_folder in _class_folders(folder)
        for path in visible(class_folder)
        if path.is_file() and path.suffix.lower() not in _NO_IMAGES
    ]


def _size_and_end(path: Path) -> tuple[int, bytes]:
    """Return what differs between nearly all files and is fast to read."""
    with path.open('rb') as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1024))
        return size, file.read()
