"""Files that `rosbags` refuses: a recorder was killed, a disk was full, a cable was pulled.

Both readers go through the file from its start without an index, and say where it breaks. Of a
whole file they read everything too.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk
from mcap.summary import Summary

from eevit_ros.replay.bag_messages import Loss, Recorded, Topic, ros2_type
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.scratch import scratch_copy

_MCAP_MAGIC = b'\x89MCAP0\r\n'
_MCAP_HEAD = struct.Struct('<BQ')  # of a record: opcode, bytes that follow
_MCAP_END = (_MCAP_HEAD.pack(Opcode.DATA_END, 4), _MCAP_HEAD.pack(Opcode.FOOTER, 20))
_MCAP_READ = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK)
# The others: a message that holds damaged names, a row that claims to be larger than any may be.
_SQLITE_DAMAGE = (sqlite3.Error, UnicodeDecodeError, MemoryError)
# The casts keep a damaged row from being of another type.
_ROWS = (
    'SELECT rowid, topic_id, CAST(timestamp AS INTEGER), CAST(data AS BLOB) '
    'FROM messages NOT INDEXED WHERE rowid > ?'
)
_Row = tuple[int, Any, int | None, bytes | None]
_SQLITE_HEADER = struct.Struct('>16xH10xI')  # bytes of a page, pages
_LARGEST_HOLE = 1 << 40  # rows
_REST = 'the rest is lost'


def mcap_has_index(path: Path) -> bool:
    """Say whether an mcap file ends with an index of all that it holds, as rosbags needs it."""
    try:
        summary = _mcap_summary(path)
    except Exception:  # whatever is wrong with it, there is no index to rely on
        return False
    if summary is None or not summary.chunk_indexes:
        return False
    # Each of these may be left out. Then rosbags takes a chunk for empty, or a type for unknown.
    messages = [chunk.message_index_offsets.keys() for chunk in summary.chunk_indexes]
    return (
        all(messages)
        and set().union(*messages) <= summary.channels.keys()
        and {x.schema_id for x in summary.channels.values()} <= summary.schemas.keys() | {0}
    )


def _mcap_summary(path: Path) -> Summary | None:
    """Return what an mcap file says of itself at its end; raises anything where it is damaged."""
    with path.open('rb') as file:
        return SeekingReader(file, record_size_limit=path.stat().st_size).get_summary()


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
    except _SQLITE_DAMAGE:
        return False
    return not nowhere


def _has_all_pages(path: Path) -> bool:
    page_bytes, pages = _sqlite_pages(path)
    return page_bytes > 0 and path.stat().st_size >= page_bytes * pages


def _sqlite_pages(path: Path) -> tuple[int, int]:
    """Return the bytes of a page and how many pages there should be; zeros without a header."""
    with path.open('rb') as file:
        header = file.read(_SQLITE_HEADER.size)
    if len(header) < _SQLITE_HEADER.size:
        return 0, 0
    page_bytes, pages = _SQLITE_HEADER.unpack(header)
    return (65536 if page_bytes == 1 else page_bytes), pages


class McapStream:
    """An mcap file, record by record; stops where it breaks, and steps over damaged records."""

    topics: Counter[Topic]

    def __init__(self, path: Path) -> None:
        """Go through the file once.

        Raises:
            ReplayError: It is no mcap file.
            OSError: It cannot be opened.
        """
        self._path = path
        with path.open('rb') as file:
            magic = file.read(len(_MCAP_MAGIC))
        if magic != _MCAP_MAGIC:
            raise ReplayError(f'{path} is not an mcap file: it starts with [{magic.hex(" ")}]')
        self.topics = Counter(x.topic for x in self._messages() if isinstance(x, Recorded))

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        for item in self._messages():
            if isinstance(item, Loss) or item.topic.name == topic:
                yield item

    def _messages(self) -> Iterator[Recorded | Loss]:
        types: dict[int, str] = {}
        topics: dict[int, Topic] = {}
        unknown = found = losses = 0
        for record in self._records():
            if isinstance(record, Loss):
                losses += 1
                yield record
            elif isinstance(record, Schema):
                types[record.id] = ros2_type(record.name)
            elif isinstance(record, Channel):
                topics[record.id] = Topic(
                    record.topic, types.get(record.schema_id, ''), record.message_encoding
                )
            elif isinstance(record, Message):
                found += 1
                if record.channel_id in topics:
                    yield Recorded(topics[record.channel_id], record.log_time, record.data)
                else:
                    unknown += 1
        if unknown:
            yield Loss('a damaged record named a topic', f'{unknown} messages of it are left out')
        if losses:
            return
        try:
            summary = _mcap_summary(self._path)
        except Exception as err:  # the parser trusts its input
            what = f'the summary of the file is damaged ({type(err).__name__}: {err})'
            yield Loss(what, 'whether messages are missing it cannot tell')
            return
        if summary and summary.statistics and summary.statistics.message_count > found:
            count = summary.statistics.message_count
            yield Loss(f'the file announces {count} messages of all topics', f'it has {found}')

    def _records(self) -> Iterator[McapRecord | Loss]:
        at, size = len(_MCAP_MAGIC), self._path.stat().st_size
        try:
            with self._path.open('rb') as file:
                while True:
                    file.seek(at)
                    head = file.read(_MCAP_HEAD.size)
                    if head in _MCAP_END:  # whole: pixels, too, may hold a byte like it
                        return
                    if reason := _break_at(at, head, size):
                        yield Loss(reason, _REST)
                        return
                    opcode, length = _MCAP_HEAD.unpack(head)
                    body = file.read(length) if opcode in _MCAP_READ else b''
                    try:
                        records = _parse(opcode, body)
                    except Exception as err:  # the parser trusts its input: anything may go wrong
                        what = f'the record at byte {at} is damaged ({type(err).__name__}: {err})'
                        yield Loss(what, f'its {length} bytes are lost')
                    else:
                        yield from records
                    at += _MCAP_HEAD.size + length
        except OSError as err:
            yield Loss(f'the file cannot be read from byte {at} on ({err.strerror})', _REST)


def _break_at(at: int, head: bytes, size: int) -> str:
    """Say why there is no whole record at a place, or ''."""
    if not head:
        return f'the file ends at byte {at} and was never closed'
    whole = len(head) == _MCAP_HEAD.size
    opcode, length = _MCAP_HEAD.unpack(head) if whole else (head[0], size)
    if opcode == 0:  # of no record: a computer that was cut off leaves zeros
        return f'the file has no record at byte {at} of {size}'
    if length > size - at - _MCAP_HEAD.size:
        return f'the file ends in the middle of a record, the one at byte {at} of {size}'
    return ''


def _parse(opcode: int, body: bytes) -> list[McapRecord | Loss]:
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.SCHEMA:
        return [Schema.read(stream)]
    if opcode == Opcode.CHANNEL:
        return [Channel.read(stream)]
    if opcode == Opcode.MESSAGE:
        return [Message.read(stream, len(body))]
    if opcode == Opcode.CHUNK:
        return _parse_chunk(Chunk.read(stream))
    return []


def _parse_chunk(chunk: Chunk) -> list[McapRecord | Loss]:
    records: list[McapRecord | Loss] = [*breakup_chunk(chunk, validate_crc=True)]
    times = [record.log_time for record in records if isinstance(record, Message)]
    announced = (chunk.message_start_time, chunk.message_end_time)
    found = (min(times, default=0), max(times, default=0))
    # Without a checksum, a damaged length may have swallowed all that comes after it. (rosbags
    # gives a chunk without messages a start behind its end.)
    if not chunk.uncompressed_crc and announced[0] <= announced[1] and announced != found:
        records.append(Loss('a chunk has not all the messages that it says', 'some are lost'))
    return records


class SqliteRows:
    """A SQLite file, row by row; steps over damaged rows."""

    topics: Counter[Topic]

    def __init__(self, path: Path) -> None:
        """Go through the file once.

        Raises:
            ReplayError: It is no bag, or so damaged that even its topics are gone.
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
        except _SQLITE_DAMAGE as err:
            raise ReplayError(
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
                except _SQLITE_DAMAGE as err:
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
        except _SQLITE_DAMAGE:
            return None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        page_bytes, _ = _sqlite_pages(self._path)
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
        except _SQLITE_DAMAGE:
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
