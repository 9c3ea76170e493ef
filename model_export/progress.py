"""Progress bars: live on a terminal, a line a minute in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar('Item')
_LINE_EVERY_S = 60.0


def progress(items: Iterable[Item], what: str, **options: Any) -> tqdm[Item]:
    """Return `items` as a progress bar named `what`; `options` are tqdm's."""
    if not sys.stderr.isatty():
        rare = {'mininterval': _LINE_EVERY_S, 'maxinterval': _LINE_EVERY_S}
        options = {'file': _Lines(sys.stderr), **rare, **options}
    return tqdm(items, what, **options)


class _Lines:
    """A file in which what tqdm would write over itself are lines."""

    def __init__(self, file: TextIO) -> None:
        """Write to `file`."""
        self._file = file

    def write(self, text: str) -> None:
        """Write a line, and nothing for what only clears one."""
        if line := text.strip('\r\n '):
            self._file.write(f'{line}\n')

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()
