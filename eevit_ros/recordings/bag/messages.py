"""Messages of a bag, and how the few types needed here are read.

The types are fixed: they have never changed, many bags carry no definitions, and a broken
definition of another topic must not hide the images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, Protocol

import zstandard
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from eevit_ros.recordings.bag.topics import COMPRESSED_VIDEO, ROS_1, Topic
from eevit_ros.recordings.bag.types import typestore
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.stamps import SECOND_NS, stamp_text

_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'  # a CDR message starts with a zero


@dataclass(frozen=True)
class Recorded:
    """One message as recorded."""

    topic: Topic
    log_ns: int
    raw: bytes


@dataclass(frozen=True)
class Loss:
    """Damage of a file, in its place among the messages.

    Attributes:
        what: The damage: 'the file is damaged at byte 7'.
        loss: The consequence: 'the rest is lost'.
    """

    what: str
    loss: str


class BagFile(Protocol):
    """One readable file of a bag; nothing of it stays open between two readings.

    Attributes:
        topics: Number of messages of each topic.
        start_ns: Earliest log time; None where there is no message.
    """

    topics: Counter[Topic]
    start_ns: int | None

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """Yield the messages of a topic in the order of their arrival.

        Damage is yielded as `Loss`, not raised.
        """


def count_messages(items: Iterable[Recorded | Loss]) -> tuple[Counter[Topic], int | None]:
    """Return the number of messages of each topic, and the earliest log time."""
    topics: Counter[Topic] = Counter()
    start_ns: int | None = None
    for item in items:
        if isinstance(item, Recorded):
            topics[item.topic] += 1
            start_ns = item.log_ns if start_ns is None else min(start_ns, item.log_ns)
    return topics, start_ns


def deserialize(recorded: Recorded) -> Any:
    """Return a message with the fields of its definition; byte sequences are views on the raw one.

    Raises:
        RecordingError: It is damaged.
    """
    topic, raw = recorded.topic, recorded.raw
    try:
        if topic.encoding == ROS_1:
            return _ros1_types().deserialize_ros1(memoryview(raw), topic.type)
        raw = cdr_of(recorded)
        if topic.type == COMPRESSED_VIDEO:
            raw = _first_fields(raw)
        return typestore().deserialize_cdr(memoryview(raw), topic.type)
    except Exception as err:  # the parser trusts its input
        raise RecordingError(
            f'message on {topic.name}, received at {stamp_text(recorded.log_ns)}, is not a '
            f'{topic.type} in {topic.encoding} ({type(err).__name__}: {err}): record it again'
        ) from err


def cdr_of(recorded: Recorded) -> bytes:
    """Return a message's bytes, unpacked where the bag was compressed message by message."""
    if not recorded.raw.startswith(_ZSTD_MAGIC):
        return recorded.raw
    return zstandard.ZstdDecompressor().decompressobj().decompress(recorded.raw)


def packed(recorded: Recorded) -> Recorded:
    """Return a message in a fifth of the memory: many of them are kept for a whole recording."""
    if recorded.raw.startswith(_ZSTD_MAGIC):
        return recorded
    # zstandard's result keeps the memory of the longest it might have been.
    raw = bytes(bytearray(zstandard.compress(recorded.raw)))
    return replace(recorded, raw=raw)


def stamp_of(message: Any) -> int:
    """Return the stamp of a message's header, or its own, nanoseconds."""
    stamp = message.header.stamp if hasattr(message, 'header') else message.timestamp
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def frame_id_of(message: Any) -> str:
    """Return the frame id of a message's header, or its own."""
    return str(message.header.frame_id if hasattr(message, 'header') else message.frame_id)


def _first_fields(raw: bytes) -> bytes:
    """Return a CompressedVideo without what newer releases have added to its end."""
    order: Literal['little', 'big'] = 'little' if raw[1] & 1 else 'big'
    at = 4 + 8  # encapsulation and stamp
    for _ in range(3):  # frame id, data, format: each with its length
        at += -at % 4
        at += 4 + int.from_bytes(raw[at : at + 4], order)
    return raw[:at]


@cache
def _ros1_types() -> Typestore:
    return get_typestore(Stores.ROS1_NOETIC)
