"""Which frames are answered, and when that begins: as fast as possible, or as a live node would."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from eevit_ros.perception.newest_frames import NewestFrames
from eevit_ros.recordings.source import SourceFrame

Start = tuple[SourceFrame, int | None]
"""A frame, and when its answering begins, nanoseconds; None where a newer frame replaced it."""


def unhurried(frames: Iterable[SourceFrame]) -> Iterator[Start]:
    """Answer every frame, each as it arrives: a computer that always keeps up.

    No frame waits for the one before, or ages would grow for as long as the recording lasts.
    """
    for frame in frames:
        yield frame, frame.received_ns


def live(
    frames: Iterable[SourceFrame],
    free_ns: Callable[[], int],
    weights: Mapping[str, float] = {'': 1.0},
    asks: Callable[[SourceFrame], bool] = lambda frame: True,
) -> Iterator[Start]:
    """Answer what the node lets through: of each camera the newest frame, in turns.

    Args:
        frames: Frames in the order of their arrival.
        free_ns: Returns when the network is, or was, free; called after each frame.
        weights: Of each camera, see `NewestFrames`.
        asks: Whether a frame wants an answer; one that does not replaces none.

    Yields:
        Frames as they start or are replaced: those of one camera in the order of their arrival.
    """
    newest = NewestFrames[SourceFrame](weights)

    def starts(until_ns: float) -> Iterator[Start]:
        # A network that becomes free just when a frame comes has taken one before.
        while free_ns() <= until_ns and (taken := newest.take()):
            _, frame = taken
            yield frame, max(free_ns(), frame.received_ns)

    for frame in frames:
        yield from starts(frame.received_ns)
        if not asks(frame):
            yield frame, None
        elif replaced := newest.put(frame.camera, frame):
            yield replaced, None
    yield from starts(math.inf)
