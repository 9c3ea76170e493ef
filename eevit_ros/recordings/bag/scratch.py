"""A temporary copy of a file that cannot be read as it is."""

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
        path: File to copy.
        name: Name of the copy.
        write: Called with file and copy, both open; copies.

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
                f'{path} cannot be copied into {folder} ({err.strerror}): is there room? Set '
                f'TMPDIR to use another disk'
            ) from err
        yield copy
