"""Find out what a folder holds, and load one split of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from model_export.data.dataset import Dataset
from model_export.data.folder import load_folder, visible, warn_of_copies
from model_export.data.originals import load_original
from model_export.errors import ModelExportError

_TABLES = ('.parquet', '.arrow')
_NAMES = {
    'train': {'train', 'training'},
    'test': {'test', 'testing', 'eval', 'evaluation'},
    'validation': {'validation', 'valid', 'val', 'dev'},
}


def load_split(folder: Path, split: str, image_size: int) -> Dataset:
    """Load `split` ('train' or 'test') of a data set.

    Args:
        folder: One of
            - folders `train/CLASS/*` and `test/CLASS/*` of images;
            - a set that `datasets` wrote: a folder of `save_to_disk`, or parquet or Arrow files
              named by split (`train-*.parquet`, `test/*.parquet`). Columns are found by type; where
              that is not enough, they are named after the folder: `FOLDER:COLUMN,COLUMN`;
            - the published files of CIFAR-10 and CIFAR-100 (binary version), MNIST, Fashion-MNIST.
        split: Split to load; the validation split stands in for a missing test split.
        image_size: Size that images are cropped and resized to, unless all are squares of one
            size that is no larger.

    Raises:
        ModelExportError: There is no such split, it does not fit on the disk, or something in it
            cannot be read.
    """
    folder, columns = _split_off_columns(folder)
    if not folder.is_dir():
        raise ModelExportError(f'no data in {folder}: it is not a folder')
    original = load_original(folder, split, image_size)
    if original:
        if columns:
            raise ModelExportError(f'{folder} has no columns. Got {columns}')
        return original
    files, images = _find(folder, split)
    if split == 'test' and not files and not images:
        files, images = _find(folder, 'validation')
        if files or images:
            print(f'{folder} has no test split: using the validation split')
    if files:
        # pyarrow takes 0.4 s to import: not for folders of images.
        from model_export.data.tables import load_tables

        return load_tables(files, columns, image_size)
    if not images:
        raise ModelExportError(_nothing_found(folder, split))
    if columns:
        raise ModelExportError(f'{images} holds image files, not columns. Got {columns}')
    _, training = _find(folder, 'train') if split == 'test' else ([], None)
    if training:
        warn_of_copies(images, training)
    return load_folder(images, image_size)


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
        if path.is_dir() and path.name.lower() in _NAMES[split]:
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
    found = ([path for path in files if path.suffix == suffix] for suffix in _TABLES)
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
    for path in inside:
        if path.is_dir() and any(any(_find(path, name)) for name in _NAMES):
            return f'no {split} data in {folder}, but data in {path}: give that folder'
    names = [path.name + '/' * path.is_dir() for path in inside]
    found = ', '.join(names[:8]) + ', ...' * (len(names) > 8) if names else 'nothing'
    return (
        f'no {split} data in {folder}: expected a folder {split}/ with one sub-folder a class, '
        f'{split}-*.parquet files, or another set of docs/your_own_model.md. Found {found}'
    )
