"""The files of a bag, and the reader for each."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePath
from typing import IO, BinaryIO, cast

import yaml
import zstandard

from eevit_ros.recordings.bag.indexed import IndexedFile
from eevit_ros.recordings.bag.mcap_salvage import McapStream, mcap_has_index
from eevit_ros.recordings.bag.messages import BagFile, Loss, Recorded, Topic
from eevit_ros.recordings.bag.scratch import scratch_copy
from eevit_ros.recordings.bag.sqlite import SqliteRows, sqlite_is_whole
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import natural_key

_METADATA = 'metadata.yaml'
_PACKED = '.zstd'
_LEFT_FREE = 1 << 30  # bytes of the disk that a packed file may not take
_STORAGE = ('.mcap', '.db3')


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag, by the file's name or the folder's content."""
    if path.is_dir():
        return (path / _METADATA).is_file() or bool(_storage_files(path))
    return path.suffix == '.bag' or _is_storage(path)


def open_bag(path: Path) -> tuple[dict[Path, BagFile], list[str]]:
    """Open the files of a bag.

    Args:
        path: A rosbag2 folder, or one .mcap, .db3 or .bag file.

    Returns:
        The files that can be read, in order, and what was skipped.

    Raises:
        RecordingError: None of its files can be read.
    """
    paths, problems = _parts(path) if path.is_dir() else ([path], [])
    files: dict[Path, BagFile] = {}
    refused = []
    for part in paths:
        try:
            files[part] = _open_file(part)
        except RecordingError as err:
            refused.append(str(err))
        wal = part.with_name(f'{part.name}-wal')
        if wal.is_file() and wal.stat().st_size:
            problems.append(
                f'{wal} holds messages that are not in {part.name} yet: they are skipped; merge '
                f"them with: sqlite3 {part} 'PRAGMA wal_checkpoint'"
            )
    if not files:
        raise RecordingError('; '.join([*refused, *problems]) or f'{path} lists no files')
    return files, [*problems, *(f'{reason}: skipped' for reason in refused)]


def _parts(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the storage files in the folder of a bag, and what is wrong with the list."""
    metadata = folder / _METADATA
    try:
        content = yaml.safe_load(metadata.read_text(encoding='utf-8'))
        # Older recorders wrote a folder in front of the name, which may have been renamed since.
        names = [
            PurePath(name).name
            for name in content['rosbag2_bagfile_information']['relative_file_paths']
        ]
    except Exception as err:  # no such file, no YAML, another structure: all the same here
        reason = (
            'is missing'
            if isinstance(err, FileNotFoundError)
            else f'cannot be used ({type(err).__name__}: {err})'
        )
        paths = _storage_files(folder)
        if not paths:
            raise RecordingError(
                f'{metadata} {reason}, and there is no .mcap or .db3 file'
            ) from err
        order = ', '.join(path.name for path in paths)
        return paths, [f'{metadata} {reason}: read {order}; whether that is all is unknown']
    paths = [folder / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    return [path for path in paths if path not in missing], [
        f'{path} is missing, though {_METADATA} lists it: its messages are skipped'
        for path in missing
    ]


def _storage_files(folder: Path) -> list[Path]:
    paths = {path for path in folder.iterdir() if path.is_file() and _is_storage(path)}
    # A recorder that was killed while it packed a file leaves both.
    paths -= {path for path in paths if path.suffix == _PACKED and path.with_suffix('') in paths}
    return sorted(paths, key=natural_key)


def _is_storage(path: Path) -> bool:
    plain = path.with_suffix('') if path.suffix == _PACKED else path
    return plain.suffix in _STORAGE


def _open_file(path: Path) -> BagFile:
    """Return the reader for a file.

    Raises:
        RecordingError: No reader can open it; names the file and the reason.
    """
    try:
        if path.suffix == _PACKED:
            return _PackedFile(path)
        if path.suffix == '.bag':
            return _open_ros1(path)
        salvage = McapStream if path.suffix == '.mcap' else SqliteRows
        sound = mcap_has_index if path.suffix == '.mcap' else sqlite_is_whole
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

    def __init__(self, path: Path) -> None:
        """Look into the file.

        Raises:
            RecordingError: Its content cannot be read.
        """
        self._path = path
        self._damage = ''
        with self._unpacked() as plain:
            try:
                self.topics = _open_file(plain).topics
            except RecordingError as err:
                raise RecordingError(f'{path} cannot be read: unpacked, {err}') from err

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        with self._unpacked() as plain:
            yield from _open_file(plain).messages(topic)
        if self._damage:
            yield Loss(f'the compressed file is damaged ({self._damage})', 'the rest is lost')

    def _unpacked(self) -> AbstractContextManager[Path]:
        return scratch_copy(self._path, self._path.stem, self._unpack)

    def _unpack(self, source: BinaryIO, target: BinaryIO) -> None:
        try:
            zstandard.ZstdDecompressor().copy_stream(source, cast('IO[bytes]', _Limited(target)))
        except zstandard.ZstdError as err:
            # What came before is a file that breaks off there.
            self._damage = str(err)
