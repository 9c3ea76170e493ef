"""One run a folder: two at once would overwrite each other's results."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from eevit_ros.errors import EevitError

LOCK = '.lock'


@contextlib.contextmanager
def only_run(folder: Path, name: str, option: str) -> Iterator[None]:
    """Hold an output folder, which is made if missing, for this run alone.

    Args:
        folder: The folder.
        name: Of the command, for people.
        option: Option that names another folder.

    Raises:
        EevitError: Another run holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open('w')
    except OSError as err:
        raise EevitError(
            f'cannot write to {folder} ({err}): free it, or name another folder with {option}'
        ) from err
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EevitError(
                f'another {name} is running in {folder}: wait for it, or name another folder with '
                f'{option}'
            ) from None
        try:
            yield
        finally:
            if [path.name for path in folder.iterdir()] == [LOCK]:  # refused before it began
                (folder / LOCK).unlink()
                folder.rmdir()
