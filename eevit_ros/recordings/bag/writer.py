"""A new mcap bag for serialized messages."""

from __future__ import annotations

import shutil
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from eevit_ros.recordings.bag.types import typestore
from eevit_ros.recordings.errors import RecordingError

_UNSET = QosTime(0, 0)
_LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=_UNSET,
    lifespan=_UNSET,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=_UNSET,
    avoid_ros_namespace_conventions=False,
)


class RawBag:
    """Writes a bag; unless it is closed, it has no index.

    Attributes:
        counts: Number of messages written, by topic.
    """

    def __init__(self, path: Path) -> None:
        """Create its folder.

        Raises:
            RecordingError: There is something at `path` already, or it cannot be written.
        """
        self.counts: dict[str, int] = {}
        try:
            # 8: the newest that Humble reads.
            self._writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except WriterError as err:
            raise RecordingError(
                f'{path} exists already: remove it, or name another folder to record into'
            ) from err
        except OSError as err:
            raise RecordingError(f'{path} cannot be made: {err.strerror}') from err

    def add(self, topic: str, kind: str, *, latched: bool) -> Connection:
        """Announce a topic.

        Args:
            topic: Its full name.
            kind: Message type: 'std_msgs/msg/UInt8'.
            latched: Whether players keep its last message for late subscribers.

        Raises:
            RecordingError: Messages of this kind cannot be written.
        """
        types = typestore()
        if kind not in types.fielddefs:
            raise RecordingError(f'{topic} cannot be recorded: the type {kind} is unknown')
        self.counts[topic] = 0
        return self._writer.add_connection(
            topic, kind, typestore=types, offered_qos_profiles=[_LATCHED] if latched else []
        )

    def write(self, connection: Connection, time_ns: int, raw: bytes) -> None:
        """Append a message.

        Args:
            connection: Topic, as returned by `add`.
            time_ns: Its log time.
            raw: Serialized message: CDR with its four bytes of header.

        Raises:
            OSError: The disk is full, or the like.
        """
        self._writer.write(connection, time_ns, raw)
        self.counts[connection.topic] += 1

    def close(self) -> None:
        """Write index and metadata; a bag without messages is removed.

        Raises:
            OSError: The disk is full, or the like.
        """
        self._writer.close()
        if not any(self.counts.values()):
            shutil.rmtree(self._writer.path)  # made here
