"""A folder of pictures: one after the other, or one sub-folder a class."""

from __future__ import annotations

import os
import unicodedata
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
from eevit_ros.recordings.video import VIDEO_SUFFIXES

PICTURE_SUFFIXES = (
    '.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.tif', '.tiff', '.bmp', '.ppm', '.pgm',
    '.pbm', '.pnm',
)  # fmt: skip
OTHER_PICTURES = ('.avif', '.gif', '.heic', '.heif', '.jp2')
"""Pictures that OpenCV does not read, at least not everywhere."""
RATE_HZ = 15

# What people and tools put beside pictures. Videos are recordings of their own.
_BESIDE = {
    '.aae', '.csv', '.db', '.html', '.ini', '.json', '.lnk', '.log', '.md', '.txt', '.xml', '.xmp',
    '.yaml', '.yml', *VIDEO_SUFFIXES,
}  # fmt: skip
_HEAD_BYTES = 4096
OF_SYSTEMS = {'__MACOSX', '@eaDir', '$RECYCLE.BIN', 'System Volume Information', 'lost+found'}
"""Folders that systems and programs leave."""
TEST_LIST = 'test_images.txt'
"""What `python -m model_export train` has set aside in a folder of classes."""


class FolderSource:
    """The pictures of a folder, as a `Source`: at 15 Hz, from 1 s on, sorted by name.

    Of a folder that was trained on, those that were set aside for tests.

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
        self._files = flat or _for_tests(path, nested)
        if not self._files:
            raise RecordingError(
                f'{path} holds no {", ".join(PICTURE_SUFFIXES)} file, and none of its sub-folders'
            )
        self.classes = tuple(dict.fromkeys(file.parent.name for file in nested))
        self.frames: int | None = len(self._files)
        others = [x for x in (*entries, *inner) if not is_picture(x) and x.is_file()]
        self._tell_skipped(
            'picture(s)',
            [x for x in others if x.suffix.lower() in OTHER_PICTURES],
            'convert them to .jpg or .png',
        )
        self._tell_skipped(
            'file(s)',
            [
                x
                for x in others
                if x.suffix.lower() not in (*OTHER_PICTURES, *_BESIDE)
                and (nested or x.parent == path)
            ],
            'they are no pictures, or of an unknown format',
        )
        self._tell_skipped(
            'folder(s)',
            [x for x in inner if nested and x.is_dir() and x.name not in OF_SYSTEMS],
            'pictures may lie in the folder itself or one level below, CLASS/PICTURE',
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

    def _tell_skipped(self, what: str, skipped: list[Path], why: str) -> None:
        if skipped:
            first = f'the first is {skipped[0]}'
            self.problems.append(f'{self._path}: {len(skipped)} {what} skipped, {first}: {why}')

    def stamped_labels(self, topic: str) -> dict[int, str]:
        """See `Source`."""
        raise RecordingError(f'{self._path} is a folder of pictures, which has no topic {topic}')


def is_picture(path: Path) -> bool:
    """Return whether a file is to be read as a picture: by its suffix, else by its content."""
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return True
    if suffix in (*_BESIDE, *OTHER_PICTURES) or not path.is_file():
        return False
    try:
        with path.open('rb') as file:
            return bool(picture_format(file.read(_HEAD_BYTES)))
    except OSError:
        return True  # told with the pictures that cannot be read


def _visible(folder: Path) -> list[Path]:
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith('.'))
    return sorted(entries, key=natural_key)


def _pictures(entries: list[Path]) -> list[Path]:
    return [x for x in entries if is_picture(x) and x.is_file()]


def _for_tests(path: Path, pictures: list[Path]) -> list[Path]:
    """Return the pictures that a folder of classes sets aside for tests; without a list all.

    Raises:
        RecordingError: The list cannot be read, or none of the pictures is on it.
    """
    lines = read_test_list(path) if pictures else None
    if lines is None:
        return pictures
    names = {one_name(line) for line in lines}
    chosen = [x for x in pictures if one_name(x.relative_to(path).as_posix()) in names]
    if not chosen:
        raise RecordingError(
            f'{path / TEST_LIST} names no picture that is there: delete it to replay all'
        )
    return chosen


def read_test_list(folder: Path) -> list[str] | None:
    """Return the lines of a folder's list of test images, comments too; None if it has none.

    Raises:
        RecordingError: It cannot be read.
    """
    path = folder / TEST_LIST
    if not path.is_file():
        return None
    try:
        text = path.read_bytes().decode(errors='surrogateescape')
    except OSError as err:
        raise RecordingError(f'{path} cannot be read: {err.strerror}') from err
    return [line.rstrip('\r') for line in text.split('\n')]


def one_name(name: str) -> str:
    """Return a name as the list is compared: an accent is written in two ways."""
    return unicodedata.normalize('NFC', name)


def _decode(
    decoder: Decoder, file: Path, data: bytes, unreadable: str, size: InputSize | None = None
) -> Image:
    if unreadable:
        raise EevitError(f'{file} cannot be read{unreadable}')
    return decoder.photo(data, str(file), size)
