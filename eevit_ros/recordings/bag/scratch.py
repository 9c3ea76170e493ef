"""A file that has to be written anew before it can be read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eevit_ros.recordings.errors import RecordingError


@contextmanager
def scratch_copy(
    path: Path, name: str, write: Callable[[BinaryIO, BinaryIO], object]
) -> Iterator[Path]:
    """Make a copy that exists as long as the context.

    Args:
        path: The file.
        name: Of the copy.
        write: Gets the file and the copy, both open, and copies what is wanted.

    Raises:
        RecordingError: The file cannot be read, or there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix='eevit_replay_') as folder:
        copy = Path(folder, name)
        try:
            with path.open('rb') as source, copy.open('wb') as target:
                write(source, target)
        except OSError as err:
            raise RecordingError(
                f'{path} cannot be copied into {folder} ({err.strerror}): is there room? TMPDIR '
                f'names another place'
            ) from err
        yield copy
