"""Find out what a folder holds, and load one split of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from eevit_ros.recordings.folder import TEST_LIST, one_name
from model_export.data.dataset import Dataset
from model_export.data.decode import first_ten
from model_export.data.folder import (
    Reading,
    class_folders,
    holds_classes,
    image_files,
    is_class,
    load_folder,
    visible,
    warn_of_copies,
    warn_of_twins,
)
from model_export.data.groups import BURST, FOLDER
from model_export.data.originals import load_original
from model_export.data.split_list import (
    SHARE,
    SplitList,
    options_of,
    read_split_list,
    write_split_list,
)
from model_export.errors import ModelExportError, UsageError

_TABLES = ('.parquet', '.arrow')
_NAMES = {
    'train': {'train', 'training'},
    'test': {'test', 'testing', 'eval', 'evaluation'},
    'validation': {'validation', 'valid', 'val', 'dev'},
}


def load_split(
    folder: Path,
    split: str,
    image_size: int,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> Dataset:
    """Load `split` ('train', 'test' or 'validation') of a data set.

    Args:
        folder: One of
            - folders `train/CLASS/*` and `test/CLASS/*` of images;
            - a folder `CLASS/*` in which `make_test_part` has set test images aside;
            - a set that `datasets` wrote: a folder of `save_to_disk`, or parquet or Arrow files
              named by split (`train-*.parquet`, `test/*.parquet`). Columns are found by type; where
              that is not enough, they are named after the folder: `FOLDER:COLUMN,COLUMN`;
            - the published files of CIFAR-10 and CIFAR-100 (binary version), MNIST, Fashion-MNIST.
        split: Split to load; the validation split stands in for a missing test split.
        image_size: Size that images are cropped and resized to, unless all are squares of one
            size that is no larger.
        reading: How folders of images are read. Without groups, those of `test_images.txt` count.

    Raises:
        ModelExportError: There is no such split, it does not fit on the disk, or something in it
            cannot be read.
    """
    folder, columns = _split_off_columns(folder)
    if split not in _NAMES:
        raise UsageError(f'a split is one of {", ".join(_NAMES)}. Got {split!r}')
    if not folder.is_dir():
        raise ModelExportError(f'no data in {folder}: it is not a folder')
    original = load_original(folder, split, image_size)
    if original:
        if columns:
            raise ModelExportError(f'{folder} has no columns. Got {columns}')
        _check_no_groups(folder, reading)
        return original
    if (listed := read_split_list(folder)) and split != 'validation':
        return _load_listed(folder, split, image_size, reading, listed)
    files, images = _find(folder, split)
    if split == 'test' and not files and not images:
        files, images = _find(folder, 'validation')
        if files or images:
            print(f'{folder} has no test split: using the validation split')
    if files:
        # pyarrow takes 0.4 s to import: not for folders of images.
        from model_export.data.tables import load_tables

        _check_no_groups(folder, reading)
        return load_tables(files, columns, image_size, reading)
    if not images:
        raise ModelExportError(_nothing_found(folder, split))
    if columns:
        raise ModelExportError(f'{images} holds image files, not columns. Got {columns}')
    _, training = _find(folder, 'train') if split == 'test' else ([], None)
    if training:
        warn_of_copies(images, training)
    return load_folder(images, image_size, reading)


def make_test_part(folder: Path, share: float | None, image_size: int, reading: Reading) -> None:
    """Set a share of the images aside for tests, once, if `folder` holds classes and no splits.

    Args:
        folder: Data set of any kind; all others are left as they are.
        share: Share of each class that was asked for; None means `SHARE`, where it is needed.
        image_size: Size at which bursts are looked for.
        reading: How the folder is read. Without groups, bursts stay together.

    Raises:
        ModelExportError: A share was asked for and the set has splits, or another list; or as
            `write_split_list`.
    """
    if share is not None and not 0 < share < 1:
        raise UsageError(f'--split must be a share within (0, 1), such as 0.2. Got {share:g}')
    group_by = reading.group_by or BURST
    wanted = options_of(share or SHARE, group_by)
    if listed := read_split_list(folder) if folder.is_dir() else None:
        if share is not None and listed.made_by != wanted:
            raise UsageError(
                f'{folder / TEST_LIST} was made by --split {listed.made_by or "hand"}, not '
                f'{wanted}: leave --split out to keep it, or delete the file to draw anew'
            )
        return
    if not _has_classes_alone(folder, reading):
        if share is not None:
            raise UsageError(
                f'--split is for a folder that holds one folder a class and no splits. {folder} '
                f'does not: leave --split out, or give such a folder'
            )
        return
    grouped = replace(reading, group_by=group_by)
    write_split_list(folder, load_folder(folder, image_size, grouped), share or SHARE, group_by)


def class_names_of(folder: Path, split: str) -> tuple[str, ...]:
    """Return the classes of a split of image folders without reading it; empty if it is no such."""
    if not folder.is_dir() or read_split_list(folder):
        return ()
    _, images = _find(folder, split)
    return tuple(class_folders(images)) if images else ()


def _load_listed(
    folder: Path, split: str, image_size: int, reading: Reading, listed: SplitList
) -> Dataset:
    """Load the images that the list of a folder names, or the others."""
    reading = replace(reading, group_by=reading.group_by or listed.group_by)
    there = {one_name(path.relative_to(folder).as_posix()) for path in folder.rglob('*')}
    if missing := sorted(listed.names - there):
        raise ModelExportError(
            f'{folder / TEST_LIST} lists {len(missing)} image(s) not there: '
            f'{first_ten(missing)}. Restore them, or delete their lines'
        )
    if split == 'test':
        parts: tuple[list[Path], list[Path]] = [], []
        for path in image_files(folder):
            is_test = one_name(path.relative_to(folder).as_posix()) in listed.names
            parts[is_test].append(path)
        warn_of_twins(parts[True], parts[False])
    return load_folder(
        folder,
        image_size,
        reading,
        lambda name: (one_name(name) in listed.names) == (split == 'test'),
    )


def _has_classes_alone(folder: Path, reading: Reading) -> bool:
    if not folder.is_dir() or _tables_in(folder):
        return False
    if any(any(_find(folder, name)) for name in _NAMES):
        return False
    return holds_classes(folder, nested=reading.group_by == FOLDER)


def _check_no_groups(folder: Path, reading: Reading) -> None:
    if reading.group_by:
        raise UsageError(f'--group-by is for folders of images. Got {folder}')


def _split_off_columns(folder: Path) -> tuple[Path, tuple[str, ...]]:
    path, colon, columns = str(folder).rpartition(':')
    if folder.exists() or not colon:
        return folder, ()
    return Path(path), tuple(name.strip() for name in columns.split(','))


def _find(folder: Path, split: str) -> tuple[list[Path], Path | None]:
    """Return the tables of `split`, or else its folder of class folders."""
    if (folder / 'state.json').exists():
        files, saved_split = _saved_files(folder)
        # Without a name it is for training: to test on it by accident would look too good.
        return (files if (saved_split or 'train') in _NAMES[split] else []), None
    named = [path for path in _tables_in(folder) if _NAMES[split] & set(_words(path.stem))]
    if named:
        return named, None
    for path in visible(folder):
        # A class, too, may be called 'train'.
        if path.is_dir() and path.name.lower() in _NAMES[split] and not is_class(path):
            if (path / 'state.json').exists():
                return _saved_files(path)[0], None
            files = _tables_in(path)
            return (files, None) if files else ([], path)
    return [], None


def _saved_files(folder: Path) -> tuple[list[Path], str | None]:
    """Return the files that `Dataset.save_to_disk` wrote to `folder`, and its split's name, if any.

    Files of a larger set that was saved there before may be left over.
    """
    try:
        state = json.loads((folder / 'state.json').read_text())
        files = [folder / Path(entry['filename']).name for entry in state['_data_files']]
        return files, state['_split']
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelExportError(
            f'{folder / "state.json"} is not as datasets writes it: {err!r}'
        ) from err


def _tables_in(folder: Path) -> list[Path]:
    files = [path for path in visible(folder) if path.is_file()]
    found = ([path for path in files if path.suffix.lower() == suffix] for suffix in _TABLES)
    return next((paths for paths in found if paths), [])  # of a set in both forms, one


def _words(name: str) -> list[str]:
    return re.findall('[a-z]+', name.lower())


def _nothing_found(folder: Path, split: str) -> str:
    if (folder / 'state.json').exists():
        name = _saved_files(folder)[1] or 'train, as it has no name'
        return (
            f'{folder} is one split ({name}), not {split}: save a DatasetDict with train and test'
        )
    inside = visible(folder)
    alone = not any(any(_find(folder, name)) for name in _NAMES)
    if alone and split != 'validation' and holds_classes(folder, nested=True):
        return (
            f'{folder} holds classes and no splits: train sets a part aside for tests, by default '
            f'--split {SHARE:g} (with --group-by {FOLDER} if classes hold folders), and lists it '
            f'in {TEST_LIST}, where the other commands find it; or make train/ and test/ yourself'
        )
    for path in inside:
        if path.is_dir() and (
            any(any(_find(path, name)) for name in _NAMES)
            or (alone and holds_classes(path, nested=False))
        ):
            return f'no {split} data in {folder}, but data in {path}: give that folder'
    names = [path.name + '/' * path.is_dir() for path in inside]
    found = ', '.join(names[:8]) + ', ...' * (len(names) > 8) if names else 'nothing'
    return (
        f'no {split} data in {folder}: expected a folder {split}/ with one sub-folder a class, '
        f'{split}-*.parquet files, or another set of docs/your_own_model.md. Found {found}'
    )
