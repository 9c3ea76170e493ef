"""An mcap file that `rosbags` refuses, read from its start without an index.

For recorders that were killed, full disks and power cuts. It reads a whole file, too.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    McapRecord,
    Message,
    MessageIndex,
    Schema,
)
from mcap.stream_reader import breakup_chunk
from mcap.summary import Summary

from eevit_ros.recordings.bag.listing import MCAP_MAGIC
from eevit_ros.recordings.bag.messages import Loss, Recorded, count_messages
from eevit_ros.recordings.bag.times import goes_back
from eevit_ros.recordings.bag.topics import Topic, ros2_type
from eevit_ros.recordings.errors import RecordingError

_HEAD = struct.Struct('<BQ')  # of a record: opcode, bytes that follow
_END = (_HEAD.pack(Opcode.DATA_END, 4), _HEAD.pack(Opcode.FOOTER, 20))
_READ = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE, Opcode.CHUNK)
_REST = 'the rest is lost'


def mcap_has_index(path: Path) -> bool:
    """Return whether an mcap file can be read by its index.

    It ends with the complete index that rosbags needs, and its clock was not set back.
    """
    try:
        summary = _summary(path)
        if summary is None or not summary.chunk_indexes or _goes_back(path, summary.chunk_indexes):
            return False
    except Exception:  # whatever is wrong with it, there is no index to rely on
        return False
    # Each of these is optional. Without it rosbags takes a chunk for empty, or a type for unknown.
    messages = [chunk.message_index_offsets.keys() for chunk in summary.chunk_indexes]
    return (
        all(messages)
        and set().union(*messages) <= summary.channels.keys()
        and {x.schema_id for x in summary.channels.values()} <= summary.schemas.keys() | {0}
    )


def _goes_back(path: Path, chunks: Iterable[ChunkIndex]) -> bool:
    """Return whether the log times of a topic go back in the order of writing."""
    chunks = sorted(chunks, key=lambda chunk: chunk.chunk_start_offset)
    ends = [(x.message_start_time, x.message_end_time) for x in chunks]
    if not (
        goes_back((0, time_ns) for pair in ends for time_ns in pair)
        or any(goes_back([(0, end), (0, start)]) for start, end in ends)
    ):
        return False  # in no order that the messages of a chunk may have
    with path.open('rb') as file:
        return goes_back(x for chunk in chunks for x in _times(file, chunk))


def _times(file: BinaryIO, chunk: ChunkIndex) -> list[tuple[int, int]]:
    """Return channel and log time of each message of a chunk, in the order of writing."""
    entries = []
    for channel, at in chunk.message_index_offsets.items():
        file.seek(at)
        _, length = _HEAD.unpack(file.read(_HEAD.size))
        index = MessageIndex.read(ReadDataStream(BytesIO(file.read(length))))
        entries += [(offset, channel, time_ns) for time_ns, offset in index.records]
    return [(channel, time_ns) for _, channel, time_ns in sorted(entries)]


def _summary(path: Path) -> Summary | None:
    """Return the summary at the end of an mcap file; may raise anything where it is damaged."""
    with path.open('rb') as file:
        return SeekingReader(file, record_size_limit=path.stat().st_size).get_summary()


class McapStream:
    """An mcap file, record by record; skips damaged records and ends where the file breaks off."""

    topics: Counter[Topic]
    start_ns: int | None

    def __init__(self, path: Path) -> None:
        """Go through the file once.

        Raises:
            RecordingError: It is not an mcap file.
            OSError: It cannot be opened.
        """
        self._path = path
        with path.open('rb') as file:
            magic = file.read(len(MCAP_MAGIC))
        if magic != MCAP_MAGIC:
            raise RecordingError(f'{path} is not an mcap file: it starts with [{magic.hex(" ")}]')
        self.topics, self.start_ns = count_messages(self._messages())

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
            yield Loss('a damaged record named a topic', f'{unknown} message(s) of it skipped')
        if losses:
            return
        try:
            summary = _summary(self._path)
        except Exception as err:  # the parser trusts its input
            what = f'the summary of the file is damaged ({type(err).__name__}: {err})'
            yield Loss(what, 'messages may be missing')
            return
        if summary and summary.statistics and summary.statistics.message_count > found:
            count = summary.statistics.message_count
            yield Loss(f'the file announces {count} messages of all topics', f'it has {found}')

    def _records(self) -> Iterator[McapRecord | Loss]:
        at, size = len(MCAP_MAGIC), self._path.stat().st_size
        try:
            with self._path.open('rb') as file:
                while True:
                    file.seek(at)
                    head = file.read(_HEAD.size)
                    if head in _END:  # whole: pixels, too, may hold a byte like it
                        return
                    if reason := _break_at(at, head, size):
                        yield Loss(reason, _REST)
                        return
                    opcode, length = _HEAD.unpack(head)
                    body = file.read(length) if opcode in _READ else b''
                    try:
                        records = _parse(opcode, body)
                    except Exception as err:  # the parser trusts its input
                        what = f'the record at byte {at} is damaged ({type(err).__name__}: {err})'
                        yield Loss(what, f'its {length} bytes are lost')
                    else:
                        yield from records
                    at += _HEAD.size + length
        except OSError as err:
            yield Loss(f'the file cannot be read from byte {at} on ({err.strerror})', _REST)


def _break_at(at: int, head: bytes, size: int) -> str:
    """Return why there is no whole record at a place; '' where there is one."""
    if not head:
        return f'the file ends at byte {at} and was never closed'
    whole = len(head) == _HEAD.size
    opcode, length = _HEAD.unpack(head) if whole else (head[0], size)
    if opcode == 0:  # not an opcode: a power cut leaves zeros
        return f'the file has no record at byte {at} of {size}'
    if length > size - at - _HEAD.size:
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
    # rosbags counts the earliest from 2^63 down.
    found = (min(*times, 2**63 - 1) if times else 0, max(times, default=0))
    # Without a checksum, a damaged length may have swallowed all that comes after it. (rosbags
    # gives a chunk without messages a start behind its end.)
    if not chunk.uncompressed_crc and announced[0] <= announced[1] and announced != found:
        records.append(Loss('a chunk has fewer messages than it announces', 'some are lost'))
    return records
