"""What is to be written is tried before the long part of a command."""

from __future__ import annotations

import tempfile
from pathlib import Path

from model_export.errors import UsageError


def check_out_file(path: Path) -> None:
    """Refuse a file that cannot be written.

    Raises:
        UsageError: It is a folder, its folder does not exist, or nothing can be written there.
    """
    if path.is_dir():
        raise UsageError(f'--out must name a file. {path} is a folder')
    if not path.parent.is_dir():
        raise UsageError(f'cannot write {path}: there is no folder {path.parent}')
    _try_folder(path.parent)


def check_out_folder(path: Path) -> None:
    """Refuse a folder in which nothing can be written; it may not exist yet.

    Raises:
        UsageError: It cannot be made or written.
    """
    _try_folder(next(folder for folder in (path, *path.absolute().parents) if folder.exists()))


def _try_folder(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        raise UsageError(f'cannot write to {folder}: {err}') from err
