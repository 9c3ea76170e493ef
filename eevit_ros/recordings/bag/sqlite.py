"""A SQLite file that `rosbags` refuses, row by row; steps over what is damaged, and says so.

A recorder was killed, a disk was full, a sector went bad. Of a whole file it reads everything too.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from eevit_ros.recordings.bag.messages import Loss, Recorded, Topic, ros2_type
from eevit_ros.recordings.bag.scratch import scratch_copy
from eevit_ros.recordings.errors import RecordingError

# The others: a message that holds damaged names, a row that claims to be larger than any may be.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)
# The casts keep a damaged row from being of another type.
_ROWS = (
    'SELECT rowid, topic_id, CAST(timestamp AS INTEGER), CAST(data AS BLOB) '
    'FROM messages NOT INDEXED WHERE rowid > ?'
)
_Row = tuple[int, Any, int | None, bytes | None]
_HEADER = struct.Struct('>16xH10xI')  # bytes of a page, pages
_LARGEST_HOLE = 1 << 40  # rows
_REST = 'the rest is lost'


def sqlite_is_whole(path: Path) -> bool:
    """Say whether a SQLite file has all its pages, and rows that rosbags will not leave out."""
    if not _has_all_pages(path):
        return False
    uri = f'{path.absolute().as_uri()}?mode=ro&immutable=1'
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            (nowhere,) = database.execute(
                'SELECT count(*) FROM messages NOT INDEXED '
                'WHERE timestamp IS NULL OR topic_id IS NULL OR topic_id NOT IN '
                '(SELECT id FROM topics)'
            ).fetchone()
    except _DAMAGE:
        return False
    return not nowhere


def _has_all_pages(path: Path) -> bool:
    page_bytes, pages = _pages(path)
    return page_bytes > 0 and path.stat().st_size >= page_bytes * pages


def _pages(path: Path) -> tuple[int, int]:
    """Return the bytes of a page and how many pages there should be; zeros without a header."""
    with path.open('rb') as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return 0, 0
    page_bytes, pages = _HEADER.unpack(header)
    return (65536 if page_bytes == 1 else page_bytes), pages


class SqliteRows:
    """A SQLite file, row by row; steps over damaged rows."""

    topics: Counter[Topic]

    def __init__(self, path: Path) -> None:
        """Go through the file once.

        Raises:
            RecordingError: It is no bag, or so damaged that even its topics are gone.
        """
        self._path = path
        try:
            with self._database() as database:
                self._topics = {
                    key: Topic(str(name), ros2_type(str(kind)), str(encoding))
                    for key, name, kind, encoding in database.execute(
                        'SELECT id, name, type, serialization_format FROM topics'
                    )
                }
        except _DAMAGE as err:
            raise RecordingError(
                f'{path} cannot be read as a SQLite bag ({err}): it is none, or damaged at its '
                f'start'
            ) from err
        self.topics = Counter(x.topic for x in self._messages() if isinstance(x, Recorded))

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        for item in self._messages():
            if isinstance(item, Loss) or item.topic.name == topic:
                yield item

    def _messages(self) -> Iterator[Recorded | Loss]:
        found = nowhere = losses = 0
        for row in self._rows():
            if isinstance(row, Loss):
                losses += 1
                yield row
                continue
            found += 1
            _, topic, log_ns, raw = row
            if topic in self._topics and log_ns is not None:
                yield Recorded(self._topics[topic], log_ns, raw or b'')
            else:
                nowhere += 1
        if nowhere:
            yield Loss('damaged rows have no topic or no time', f'{nowhere} messages are left out')
        if losses:
            return
        count = self._count()
        if count is None:
            yield Loss('the file is damaged', 'whether all its messages were found it cannot tell')
        elif count > found:
            yield Loss(f'the file has {count} messages of all topics', f'only {found} were found')
        elif not _has_all_pages(self._path):
            yield Loss('the file ends in the middle', _REST)

    def _rows(self) -> Iterator[_Row | Loss]:
        last_id = 0  # the rows of recorders count from 1
        with self._database() as database:
            while True:
                try:
                    for row in database.execute(f'{_ROWS} ORDER BY rowid', (last_id,)):
                        last_id = max(last_id, row[0])
                        yield row
                    return
                except _DAMAGE as err:
                    damage = f'the file is damaged ({err})'
                # Reading ahead, Python loses the row before one that cannot be read: this finds it.
                found = _next_row(database, last_id)
                if found is None:
                    yield Loss(damage, _REST)
                    return
                if missing := found[0] - last_id - 1:
                    yield Loss(damage, f'{missing} rows are left out')
                last_id = found[0]
                yield found

    def _count(self) -> int | None:
        """Return how many rows there are, damaged or not; None where even that is damaged."""
        query = 'SELECT count(*) FROM messages NOT INDEXED'
        try:
            with self._database() as database:
                return int(database.execute(query).fetchone()[0])
        except _DAMAGE:
            return None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        page_bytes, _ = _pages(self._path)
        size = self._path.stat().st_size
        with ExitStack() as stack:
            path = self._path.absolute()
            if page_bytes and size % page_bytes:
                # SQLite would read zeros for what a torn page lacks, and call them an image.
                whole = partial(_copy, size=size - size % page_bytes)
                path = stack.enter_context(scratch_copy(path, path.name, whole))
            uri = f'{path.as_uri()}?mode=ro&immutable=1'
            database = stack.enter_context(closing(sqlite3.connect(uri, uri=True)))
            # Otherwise SQLite refuses every file that is shorter than its header says.
            database.execute('PRAGMA writable_schema = ON')
            yield database


def _next_row(database: sqlite3.Connection, last_id: int) -> _Row | None:
    """Return the first row behind `last_id` that can be read, None if there is none."""

    def read(missing: int) -> tuple[bool, _Row | None]:
        query = f'{_ROWS} ORDER BY rowid LIMIT 1'
        try:
            row = database.execute(query, (last_id + missing,)).fetchone()
        except _DAMAGE:
            return False, None
        return row is None or row[0] > last_id + missing, row

    # What is missing is at most a page's rows or all of many pages': double, then halve.
    unread, tried = -1, 0
    while not (found := read(tried))[0]:
        unread, tried = tried, 2 * tried + 1
        if tried > _LARGEST_HOLE:
            return None
    while tried - unread > 1:
        middle = (tried + unread) // 2
        if (nearer := read(middle))[0]:
            tried, found = middle, nearer
        else:
            unread = middle
    return found[1]


def _copy(source: BinaryIO, target: BinaryIO, *, size: int) -> None:
    shutil.copyfileobj(source, target)
    target.truncate(size)
