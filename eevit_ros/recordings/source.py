"""What every source of images offers, whatever it reads: a bag, a video, a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eevit_ros.images.jpeg_png import JPEG_MAGIC, PNG_MAGIC
from eevit_ros.images.resize import Image, InputSize


class Decode(Protocol):
    """Reads one image."""

    def __call__(self, size: InputSize | None = None) -> Image:
        """Return uint8 (H, W, 3) RGB; with `size`, as the node decodes it for its model.

        Raises:
            EevitError: It cannot be read.
        """


@dataclass(frozen=True)
class SourceFrame:
    """One image as it was recorded, not yet decoded.

    Attributes:
        index: Its place among the images of its source, from 0, the unreadable ones counted.
        received_ns: When it arrived, nanoseconds; rising, for it stands for the steady clock.
        stamp_ns: Its header's stamp, nanoseconds; equals `received_ns` where there is no header.
        data: Its bytes as recorded, for the watch over frozen cameras.
        format: 'jpeg' or 'png' where `data` is such a file; '' where it is not.
        decode: Reads it.
        truth: What the source itself says it shows (the name of its folder); '' if nothing.
    """

    index: int
    received_ns: int
    stamp_ns: int
    data: bytes
    format: str
    decode: Decode
    truth: str = ''


class Source(Protocol):
    """A recording. Iterating reads it once from the start, one frame in memory at a time.

    Attributes:
        name: For reports and result folders: the last part of its path.
        topic: Of its images; '' where there are no topics.
        frames: How many images it holds; None where only reading tells.
        problems: What was left out or odd so far, for people: file, topic and stamp named. Complete
            once the iteration has ended.
    """

    name: str
    topic: str
    frames: int | None
    problems: list[str]

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames in the order of their arrival."""

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """Return the best class of each vision_msgs/Classification on a topic, by header stamp.

        Raises:
            RecordingError: There is no such topic of that type; names those that there are.
        """


def picture_format(data: bytes) -> str:
    """Return 'jpeg' or 'png' by the first bytes, '' for anything else."""
    if data.startswith(JPEG_MAGIC):
        return 'jpeg'
    return 'png' if data.startswith(PNG_MAGIC) else ''


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sort key of a path's last part that puts 2 before 10."""
    parts = re.split('([0-9]+)', path.name)
    return [(int(part), part) if index % 2 else (0, part) for index, part in enumerate(parts)]
