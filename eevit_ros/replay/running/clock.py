"""Which frames are answered, and when that begins: as fast as possible, or as a live node would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from eevit_ros.recordings.source import SourceFrame

Start = tuple[SourceFrame, int | None]
"""A frame, and when its answering begins, nanoseconds; None where a newer frame replaced it."""


def unhurried(frames: Iterable[SourceFrame]) -> Iterator[Start]:
    """Answer every frame, each as it arrives: a computer that always keeps up.

    No frame waits for the one before, or ages would grow for as long as the recording lasts.
    """
    for frame in frames:
        yield frame, frame.received_ns


def live(frames: Iterable[SourceFrame], free_ns: Callable[[], int]) -> Iterator[Start]:
    """Answer what the node's queue of one place lets through: the newest frame wins.

    Args:
        frames: Frames in the order of their arrival.
        free_ns: Returns when the network is, or was, free; called after each frame.
    """
    waiting: SourceFrame | None = None
    for frame in frames:
        if waiting is not None:
            # A network that became free before this frame came has taken the waiting one.
            taken = free_ns() <= frame.received_ns
            yield waiting, max(free_ns(), waiting.received_ns) if taken else None
        waiting = frame
    if waiting is not None:
        yield waiting, max(free_ns(), waiting.received_ns)
