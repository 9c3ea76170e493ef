"""The files of a bag, and the reader for each."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from eevit_ros.recordings.bag.indexed import IndexedFile
from eevit_ros.recordings.bag.listing import (
    PACKED,
    ROS1,
    Listing,
    is_packed,
    list_parts,
    plain_name,
)
from eevit_ros.recordings.bag.mcap_salvage import McapStream, mcap_has_index
from eevit_ros.recordings.bag.messages import BagFile, Loss, Recorded
from eevit_ros.recordings.bag.scratch import scratch_copy
from eevit_ros.recordings.bag.sqlite import SqliteRows, sqlite_is_whole, unmerged_log
from eevit_ros.recordings.bag.topics import Topic
from eevit_ros.recordings.errors import RecordingError

_LEFT_FREE = 1 << 30  # bytes of the disk that a packed file may not take
_MAGICS = {
    b'\x89MCAP': '.mcap',
    b'SQLite format 3': '.db3',
    b'#ROSBAG V2': ROS1,
    b'\x28\xb5\x2f\xfd': PACKED,
}


def open_bag(path: Path) -> tuple[dict[Path, BagFile], list[str]]:
    """Open the files of a bag.

    Args:
        path: A rosbag2 folder, or one .mcap, .db3 or .bag file.

    Returns:
        The files that can be read, in order, and what was skipped or looks suspicious.

    Raises:
        RecordingError: None of its files can be read.
    """
    listing = list_parts(path) if path.is_dir() else Listing([[path]])
    files: dict[Path, BagFile] = {}
    refused = []
    for part in listing.listed:
        refused += _open_part(part, files)
    for part in listing.others:
        opened: dict[Path, BagFile] = {}
        refused += _open_part(part, opened)
        for other, file in opened.items():
            same = next((x for x, known in files.items() if _repeats(file, known)), None)
            if same is None:
                files[other] = file
            else:
                listing.problems.append(
                    f'{other} starts with the same messages as {same.name}: skipped as a copy of it'
                )
    if not files:
        problems = [*refused, *listing.problems]
        raise RecordingError('; '.join(problems) or f'{path} lists no files, and there is none')
    order = listing.in_order({path: file.start_ns for path, file in files.items()})
    problems = [*listing.problems, *_unmerged(order), *(f'{x}: skipped' for x in refused)]
    return {path: files[path] for path in order}, problems


def _open_part(part: Sequence[Path], files: dict[Path, BagFile]) -> list[str]:
    """Open the file of a part that holds most; return why others of it cannot be read.

    A player that is interrupted while it unpacks leaves half a file beside the packed one.
    """
    refused = []
    readable: dict[Path, BagFile] = {}
    for path in part:
        try:
            readable[path] = _open_file(path)
        except RecordingError as err:
            refused.append(str(err))
        else:
            if isinstance(readable[path], IndexedFile):
                break  # it is whole
    if readable:
        most = max(readable, key=lambda path: readable[path].topics.total())
        files[most] = readable[most]
    return refused


def _repeats(file: BagFile, known: BagFile) -> bool:
    """Return whether a file is a copy of another, or the same file repaired."""
    return (
        file.start_ns is not None
        and file.start_ns == known.start_ns
        and file.topics.keys() == known.topics.keys()
        # A recorder may start each of its files with the same latched messages.
        and all(_first(file, x.name) == _first(known, x.name) for x in file.topics)
    )


def _first(file: BagFile, topic: str) -> Recorded | None:
    return next((x for x in file.messages(topic) if isinstance(x, Recorded)), None)


def _unmerged(paths: Iterable[Path]) -> list[str]:
    """Return what SQLite has left beside files."""
    return [
        f'{log} holds messages that are not in {path.name} yet: they are skipped; merge them with: '
        f"sqlite3 {path} 'PRAGMA wal_checkpoint'"
        for path in paths
        if (log := unmerged_log(path))
    ]


def _kind(path: Path) -> str:
    """Return the suffix that fits a file's content, else that of its name."""
    with path.open('rb') as file:
        head = file.read(16)
    kinds = (kind for magic, kind in _MAGICS.items() if head.startswith(magic))
    return next(kinds, PACKED if is_packed(path) else path.suffix.lower())


def _open_file(path: Path) -> BagFile:
    """Return the reader for a file.

    Raises:
        RecordingError: No reader can open it; names the file and the reason.
    """
    try:
        kind = _kind(path)
        if kind == PACKED:
            return _PackedFile(path)
        if kind == ROS1:
            return _open_ros1(path)
        salvage = McapStream if kind == '.mcap' else SqliteRows
        sound = mcap_has_index if kind == '.mcap' else sqlite_is_whole
        if sound(path):
            with suppress(Exception):  # what rosbags cannot open may still be read in order
                return IndexedFile(path, salvage)
        return salvage(path)
    except OSError as err:
        raise RecordingError(f'{path} cannot be read: {err.strerror}') from err


def _open_ros1(path: Path) -> BagFile:
    try:
        return IndexedFile(path)
    except OSError:
        raise
    except Exception as err:  # a damaged file may raise any class in the parser
        raise RecordingError(
            f'{path} cannot be read ({type(err).__name__}: {err}): repair it with: '
            f'rosbag reindex {path}'
        ) from err


class _Limited:
    """Writes until the disk is nearly full: a few KB may unpack to more than any disk holds."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._room = shutil.disk_usage(target.name).free - _LEFT_FREE

    def write(self, piece: bytes) -> int:
        """Write all of it.

        Raises:
            OSError: There is no room.
        """
        self._room -= len(piece)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._target.write(piece)


class _PackedFile:
    """A file of a bag that was compressed as a whole; unpacked anew for each reading."""

    topics: Counter[Topic]
    start_ns: int | None

    def __init__(self, path: Path) -> None:
        """Look into the file.

        Raises:
            RecordingError: Its content cannot be read.
        """
        self._path = path
        self._damage = ''
        with self._unpacked() as plain:
            try:
                if _kind(plain) == PACKED:
                    raise RecordingError(f'{plain.name} is packed once more: unpack it')
                file = _open_file(plain)
            except RecordingError as err:
                raise RecordingError(f'{path} cannot be read: unpacked, {err}') from err
        self.topics, self.start_ns = file.topics, file.start_ns

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        with self._unpacked() as plain:
            yield from _open_file(plain).messages(topic)
        if self._damage:
            yield Loss(f'the compressed file is damaged ({self._damage})', 'the rest is lost')

    def _unpacked(self) -> AbstractContextManager[Path]:
        return scratch_copy(self._path, plain_name(self._path), self._unpack)

    def _unpack(self, source: BinaryIO, target: BinaryIO) -> None:
        try:
            zstandard.ZstdDecompressor().copy_stream(source, cast('IO[bytes]', _Limited(target)))
        except zstandard.ZstdError as err:
            # What came before is a file that breaks off there.
            self._damage = str(err)
