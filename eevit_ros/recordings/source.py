"""The interface of every recording: a bag, a video, a folder of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, InputSize


class Decode(Protocol):
    """Reads one image."""

    def __call__(self, size: InputSize | None = None) -> Image:
        """Return uint8 (H, W, 3) RGB; with `size`, as the node decodes it for its model.

        Raises:
            EevitError: It cannot be read.
        """


def refuse(reason: str, size: InputSize | None = None) -> NoReturn:
    """Decode an image that cannot be read."""
    raise EevitError(reason)


@dataclass(frozen=True)
class SourceFrame:
    """One image as it was recorded, not yet decoded.

    Attributes:
        index: Place among the images of its source, from 0; unreadable images count.
        received_ns: Arrival time, nanoseconds; never falls, for it stands for the steady clock.
        stamp_ns: Stamp of the header, nanoseconds; `received_ns` where there is no header.
        data: Bytes as recorded, to tell a frozen camera.
        format: What `picture_file.picture_format` says, where `data` is a file that shows the image
            as it is; '' where it is not.
        decode: Decodes the image.
        truth: Label that the source gives (the name of the folder); '' for none.
        clock_set_ns: How far the recorder's clock was set since the first frame, nanoseconds: it
            read `received_ns + clock_set_ns`, and ages are told by it.
        message: The recorded sensor_msgs/Image or CompressedImage; None where there is none.
        camera: Which of several cameras it is of; '' of the only one.
        frame_id: Frame id of the header; '' where there is none.
    """

    index: int
    received_ns: int
    stamp_ns: int
    data: bytes
    format: str
    decode: Decode
    truth: str = ''
    clock_set_ns: int = 0
    message: Any = None
    camera: str = ''
    frame_id: str = ''


class Source(Protocol):
    """A recording. Iterating reads it once from the start, one frame in memory at a time.

    Attributes:
        name: Last part of the path, for reports and result folders.
        topic: Topic of the images; '' where there are no topics.
        frames: Number of images; None where only reading tells.
        problems: What was skipped or looks suspicious so far, with file, topic and stamp. Complete
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
            RecordingError: There is no such topic of that type; lists those that there are.
        """


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sort key of a path's last part that puts 2 before 10."""
    parts = re.split('([0-9]+)', path.name)
    return [(int(part), part) if index % 2 else (0, part) for index, part in enumerate(parts)]
