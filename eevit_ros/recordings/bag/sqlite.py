"""A SQLite file that `rosbags` refuses, row by row up to the first damaged one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from eevit_ros.recordings.bag.messages import Loss, Recorded, count_messages
from eevit_ros.recordings.bag.scratch import scratch_copy
from eevit_ros.recordings.bag.times import goes_back
from eevit_ros.recordings.bag.topics import Topic, ros2_type
from eevit_ros.recordings.errors import RecordingError

# UnicodeDecodeError: a message with damaged names. MemoryError: a row of an impossible size.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)
# The casts give a damaged row the right types.
_ROWS = """SELECT topic_id, CAST(timestamp AS INTEGER), CAST(data AS BLOB)
           FROM messages NOT INDEXED ORDER BY rowid"""
_STRAY_ROWS = """SELECT count(*) FROM messages NOT INDEXED WHERE timestamp IS NULL
                 OR topic_id IS NULL OR topic_id NOT IN (SELECT id FROM topics)"""
_TIMES = 'SELECT topic_id, timestamp FROM messages NOT INDEXED ORDER BY rowid'
_HEADER = struct.Struct('>16xH10xI')  # bytes of a page, pages
_LOG_HEADER = struct.Struct('>8sI4x8s8x')  # kind, bytes of a page, mark of the run
_LOG_FRAME = struct.Struct('>II8s8x')  # number of a page, pages after a commit, mark of the run


def sqlite_is_whole(path: Path) -> bool:
    """Return whether a SQLite file can be read by its index.

    It has all its pages, a topic and a time in each row, and a clock that was not set back.
    """
    try:
        with _opened(path) as database:
            has_all = _pages(path)[1] and database.execute(_STRAY_ROWS).fetchone() == (0,)
            return has_all and not goes_back(database.execute(_TIMES))
    except (*_DAMAGE, TypeError):  # a time that is no number
        return False


def unmerged_log(path: Path) -> Path | None:
    """Return the log beside a SQLite file, if it holds what the file does not.

    A killed recorder leaves its log in any case, and most of it is merged by then.
    """
    log = path.with_name(f'{path.name}-wal')
    # There is no log, or one of nonsense; a bad disk is told with the messages.
    with suppress(OSError, ValueError), log.open('rb') as pages, path.open('rb') as file:
        for number, page in _logged_pages(pages):
            file.seek((number - 1) * len(page))
            if file.read(len(page)) != page:
                return log
    return None


def _logged_pages(log: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield number and newest content of each page in a log."""
    _, page_bytes, run = _LOG_HEADER.unpack(log.read(_LOG_HEADER.size).ljust(_LOG_HEADER.size))
    step = _LOG_FRAME.size + page_bytes
    newest: dict[int, int] = {}
    uncommitted: dict[int, int] = {}
    for at in range(_LOG_HEADER.size, log.seek(0, os.SEEK_END) - step + 1, step):
        log.seek(at)
        number, pages_after, of_run = _LOG_FRAME.unpack(log.read(_LOG_FRAME.size))
        if of_run != run:  # left from before the log was begun anew
            break
        uncommitted[number] = at + _LOG_FRAME.size
        if pages_after:
            newest |= uncommitted
            uncommitted.clear()
    for number, at in newest.items():
        log.seek(at)
        yield number, log.read(page_bytes)


class SqliteRows:
    """A SQLite file, row by row; ends where it is damaged."""

    topics: Counter[Topic]
    start_ns: int | None

    def __init__(self, path: Path) -> None:
        """Read the topics, and count their messages.

        Raises:
            RecordingError: The file is not a bag, or its topics are damaged.
        """
        self._path = path
        query = 'SELECT id, name, type, serialization_format FROM topics'
        try:
            with _opened(path) as database:
                self._topics = {
                    key: Topic(str(name), ros2_type(str(kind)), str(encoding))
                    for key, name, kind, encoding in database.execute(query)
                }
        except _DAMAGE as err:
            raise RecordingError(
                f'{path} cannot be read as a SQLite bag ({err}): it is not one, or its header is '
                f'damaged. sqlite3 {path.name} .recover may save some of it'
            ) from err
        self.topics, self.start_ns = count_messages(self._messages())

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        return (x for x in self._messages() if isinstance(x, Loss) or x.topic.name == topic)

    def _messages(self) -> Iterator[Recorded | Loss]:
        stray, damage = 0, ''
        try:
            with _opened(self._path) as database:
                for topic, log_ns, raw in _rows(database):
                    if topic in self._topics and log_ns is not None:
                        yield Recorded(self._topics[topic], log_ns, raw or b'')
                    else:
                        stray += 1
        except _DAMAGE as err:
            damage = f'the file is damaged ({err})'
        if stray:
            yield Loss('damaged rows have no topic or no time', f'{stray} message(s) skipped')
        if not damage and not _pages(self._path)[1]:
            damage = 'the file ends in the middle'
        if damage:
            yield Loss(damage, f'the rest is lost, unless sqlite3 {self._path.name} .recover helps')


def _rows(database: sqlite3.Connection) -> Iterator[tuple[Any, int | None, bytes | None]]:
    found = 0
    try:
        for row in database.execute(_ROWS):
            found += 1
            yield row
    except _DAMAGE:
        # Python reads a row ahead, and loses the one in front of the damage.
        yield from database.execute(f'{_ROWS} LIMIT 1 OFFSET ?', (found,))
        raise


def _pages(path: Path) -> tuple[int, bool]:
    """Return the bytes of a page, 0 without a header, and whether all pages are there."""
    with path.open('rb') as file:
        header = file.read(_HEADER.size)
    page_bytes, pages = _HEADER.unpack(header) if len(header) == _HEADER.size else (0, 0)
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    return page_bytes, page_bytes > 0 and path.stat().st_size >= page_bytes * pages


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    page_bytes, _ = _pages(path)
    size = path.stat().st_size
    with ExitStack() as stack:
        whole = path.absolute()
        if page_bytes and size % page_bytes:
            # SQLite would read zeros for what a torn page lacks, and call them an image.
            whole = stack.enter_context(scratch_copy(whole, path.name, shutil.copyfileobj))
            os.truncate(whole, size - size % page_bytes)
        uri = f'{whole.as_uri()}?mode=ro&immutable=1'
        database = stack.enter_context(closing(sqlite3.connect(uri, uri=True)))
        # Otherwise SQLite refuses every file that is shorter than its header says.
        database.execute('PRAGMA writable_schema = ON')
        yield database
