"""Frames of a video file, as OpenCV reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from eevit_ros.images.resize import Image, InputSize
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.recordings.stamps import SECOND_NS

VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg')

_HIGHEST_FPS = 1000


class VideoSource:
    """The frames of a video, as a `Source`: stamped by the frame rate, from 1 s on.

    Not from 0: a stamp of 0 means that there is no clock.
    """

    topic = ''

    def __init__(self, path: Path) -> None:
        """Open a video.

        Raises:
            RecordingError: OpenCV reads no frame of it, or it has no frame rate.
        """
        self.name = Path(os.path.abspath(path)).name
        self.problems: list[str] = []
        self._path = path
        video = self._open()
        try:
            self._fps = float(video.get(cv2.CAP_PROP_FPS))
            frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
            readable = video.read()[0]
        finally:
            video.release()
        if not readable:
            raise RecordingError(
                f'{path} has no frame that OpenCV {cv2.__version__} can read: it is damaged, or '
                f'its codec is unknown: convert it to H.264 in .mp4'
            )
        if not 0 < self._fps <= _HIGHEST_FPS:
            raise RecordingError(
                f'{path} has no frame rate to take times from: it says {self._fps:g} frames per '
                f'second: write it again with one'
            )
        self.frames = frames if frames > 0 else None

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames."""
        self.problems.clear()
        video = self._open()
        try:
            index = 0
            while True:
                read, pixels = video.read()
                if not read:
                    break
                stamp_ns = SECOND_NS + round(index * SECOND_NS / self._fps)
                decode = partial(_to_rgb, pixels)
                yield SourceFrame(index, stamp_ns, stamp_ns, pixels.tobytes(), '', decode)
                index += 1
        finally:
            video.release()
        if self.frames is not None and index < self.frames:
            self.problems.append(
                f'{self._path}: ends after {index} frames, though {self.frames} are announced: '
                f'it is damaged, the rest is lost'
            )

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`."""
        raise RecordingError(f'{self._path} is a video, which has no topic {topic}')

    def _open(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(str(self._path))
        if not video.isOpened():
            raise RecordingError(
                f'{self._path} cannot be opened as a video by OpenCV {cv2.__version__}: it is '
                f'not a video, damaged, or of an unknown codec: convert it to H.264 in .mp4'
            )
        return video


def _to_rgb(pixels: cv2.typing.MatLike, size: InputSize | None = None) -> Image:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
