"""A folder of pictures: one after the other, or one sub-folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.picture_file import orientation, picture_format
from eevit_ros.images.resize import Image, InputSize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.source import SourceFrame, natural_key
from eevit_ros.recordings.stamps import SECOND_NS

PICTURE_SUFFIXES = (
    '.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff', '.bmp', '.ppm', '.pgm', '.pbm', '.pnm'
)  # fmt: skip
RATE_HZ = 15

_OTHER_PICTURES = ('.avif', '.gif', '.heic', '.jp2')


class FolderSource:
    """The pictures of a folder, as a `Source`: at 15 Hz, from 1 s on, sorted by name.

    Not from 0: a stamp of 0 means that there is no clock.

    Attributes:
        classes: Names of the sub-folders with the pictures; empty where there are none.
    """

    topic = ''

    def __init__(self, path: Path, images: ImageSettings | None = None) -> None:
        """List the pictures.

        Args:
            path: The folder.
            images: How they are read.

        Raises:
            RecordingError: There are none, or both beside and in sub-folders.
        """
        self.name = Path(os.path.abspath(path)).name
        self.problems: list[str] = []
        self._path = path
        self._images = images
        try:
            entries = _visible(path)
            folders = [entry for entry in entries if entry.is_dir()]
            inner = [file for folder in folders for file in _visible(folder)]
        except OSError as err:
            raise RecordingError(f'{err.filename} cannot be listed: {err.strerror}') from err
        flat, nested = _pictures(entries), _pictures(inner)
        if flat and nested:
            raise RecordingError(
                f'{path} holds pictures both itself ({flat[0].name}, ...) and in sub-folders '
                f'({nested[0].parent.name}/{nested[0].name}, ...): is the name of a folder a '
                f'class? Then move all of them into folders, else all out of them'
            )
        self._files = flat or nested
        if not self._files:
            raise RecordingError(
                f'{path} holds no {", ".join(PICTURE_SUFFIXES)} file, and none of its sub-folders'
            )
        self.classes = tuple(dict.fromkeys(file.parent.name for file in nested))
        self.frames: int | None = len(self._files)
        if others := [x for x in (*entries, *inner) if x.suffix.lower() in _OTHER_PICTURES]:
            self.problems.append(
                f'{path}: {len(others)} pictures are skipped, the first is {others[0]}: '
                f'convert them to .jpg or .png'
            )
        self._opening_problems = len(self.problems)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the pictures; each is read when its turn comes."""
        del self.problems[self._opening_problems :]
        decoder = Decoder(self._images)
        for index, file in enumerate(self._files):
            stamp_ns = SECOND_NS + round(index * SECOND_NS / RATE_HZ)
            truth = file.parent.name if self.classes else ''
            try:
                data, unreadable = file.read_bytes(), ''
            except OSError as err:
                data, unreadable = b'', f': {err.strerror}'
            decode = partial(_decode, decoder, file, data, unreadable)
            # A photo that must be turned is not what it shows.
            kind = picture_format(data) if orientation(data) == 1 else ''
            yield SourceFrame(index, stamp_ns, stamp_ns, data, kind, decode, truth)
        if decoder.warning:
            self.problems.append(f'{self._path}: {decoder.warning}')

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`."""
        raise RecordingError(f'{self._path} is a folder of pictures, which has no topic {topic}')


def _visible(folder: Path) -> list[Path]:
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith('.'))
    return sorted(entries, key=natural_key)


def _pictures(entries: list[Path]) -> list[Path]:
    return [x for x in entries if x.suffix.lower() in PICTURE_SUFFIXES and x.is_file()]


def _decode(
    decoder: Decoder, file: Path, data: bytes, unreadable: str, size: InputSize | None = None
) -> Image:
    if unreadable:
        raise EevitError(f'{file} cannot be read{unreadable}')
    return decoder.photo(data, str(file), size)
