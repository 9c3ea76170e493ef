"""A file of a bag that `rosbags` can read: with an end, an index and sound tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from rosbags.interfaces import ConnectionExtRosbag2
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2

from eevit_ros.recordings.bag.messages import BagFile, Loss, Recorded
from eevit_ros.recordings.bag.times import goes_back
from eevit_ros.recordings.bag.topics import ROS_1, Topic
from eevit_ros.recordings.errors import RecordingError

# A colcon build checks no version.
if [int(x) for x in re.findall('[0-9]+', version('rosbags'))[:3]] < [0, 11, 6]:
    raise ImportError(
        f'rosbags {version("rosbags")} takes a damaged chunk for whole, 0.11.6 does not'
    )


class IndexedFile:
    """Reads by the file's index, in the order of log time.

    A topic of a ROS 1 bag during which the clock was set back comes in the order of writing.
    """

    topics: Counter[Topic]
    start_ns: int | None

    def __init__(self, path: Path, salvage: Callable[[Path], BagFile] | None = None) -> None:
        """Read the index.

        Args:
            path: An .mcap, .db3 or .bag file.
            salvage: Reads such a file without trusting it; goes on where this reader cannot. None
                for a ROS 1 bag.

        Raises:
            Exception: Any class, as `rosbags` raises them: the file is damaged.
        """
        self._path = path
        self._salvage = salvage
        self.topics = Counter()
        with self._reader() as reader:
            # In a damaged database a time may be of any type.
            start_ns = reader.start_time if reader.message_count else None
            self.start_ns = start_ns if isinstance(start_ns, int) else None
            for connection in reader.connections:
                encoding = ROS_1
                if isinstance(connection.ext, ConnectionExtRosbag2):
                    encoding = connection.ext.serialization_format
                # In a damaged database names may be numbers or missing.
                topic = Topic(str(connection.topic), str(connection.msgtype), encoding)
                self.topics[topic] += connection.msgcount

    def messages(self, topic: str) -> Iterator[Recorded | Loss]:
        """See `BagFile`."""
        kinds = {(kind.name, kind.type): kind for kind in self.topics}
        last_ns = -1
        try:
            with self._reader() as reader:
                wanted = [x for x in reader.connections if x.topic == topic]
                if isinstance(reader, Reader1):
                    _undo_mixing(reader, [x.id for x in wanted])
                # None wanted would be all of them.
                for connection, log_ns, raw in reader.messages(wanted) if wanted else ():
                    if not isinstance(log_ns, int):  # a damaged row of SQLite
                        raise ValueError(f'a message with the time {log_ns!r:.40}')
                    yield Recorded(kinds[topic, connection.msgtype], log_ns, raw)
                    last_ns = log_ns
        except Exception as err:  # a damaged file may raise any class in the parser
            yield from self._rest(topic, last_ns, err)

    def _rest(self, topic: str, last_ns: int, err: Exception) -> Iterator[Recorded | Loss]:
        """Yield what comes after the message of `last_ns`, where it can be read at all."""
        try:
            salvaged = self._salvage(self._path) if self._salvage else None
        except (RecordingError, OSError):
            salvaged = None
        what = f'the file is damaged ({type(err).__name__}: {err})'
        if salvaged is None:
            yield Loss(what, 'the rest of it is lost')
            return
        told = False
        for item in salvaged.messages(topic):
            told |= isinstance(item, Loss)
            if isinstance(item, Loss) or item.log_ns > last_ns:
                yield item
        if not told:
            yield Loss(what, 'a message may be missing')

    def _reader(self) -> Reader1 | Reader2:
        return Reader2(self._path) if self._salvage else Reader1(self._path)


def _undo_mixing(reader: Reader1, connections: Sequence[int]) -> None:
    """Put the index of a topic into the order of writing, if the clock was set back in it."""
    entries = [entry for x in connections for entry in reader.indexes[x]]
    entries.sort(key=lambda entry: (entry.chunk_pos, entry.offset))
    if goes_back((0, entry.time) for entry in entries):
        # rosbags merges the lists by time, and keeps the order of a single one.
        reader.indexes |= {x: [] for x in connections} | {connections[0]: entries}
