"""How long a video file should be, by the sizes that its own parts name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from eevit_ros.recordings.errors import RecordingError

_FIRST_BOX, _RIFF = b'ftyp', b'RIFF'
_WITH_PICTURES = {b'moov', b'mdat', b'moof'}
_BOXES = _WITH_PICTURES | {
    _FIRST_BOX,
    *(b'free', b'skip', b'wide', b'uuid', b'udta', b'meta', b'pdin', b'pnot', b'PICT'),
    *(b'styp', b'sidx', b'ssix', b'emsg', b'prft', b'mfra'),
}
_EBML, _SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'
_MOST_PARTS = 1_000_000  # of a file: a fragmented MP4 has two for each few seconds


def missing_bytes(path: Path) -> int:
    """Return how many bytes an MP4, Matroska or AVI file lacks by the sizes that its parts name.

    Raises:
        RecordingError: It cannot be read.
    """
    try:
        with path.open('rb') as file:
            there = file.seek(0, os.SEEK_END)
            file.seek(0)
            start = file.read(8)
            if start.startswith(_EBML):
                end = _matroska_end(file)
            elif start.startswith(_RIFF):
                end = _riff_end(file)
            else:
                end = _boxes_end(file) if start[4:] == _FIRST_BOX else there
    except OSError as err:
        raise RecordingError(f'{path} cannot be read: {err.strerror}') from err
    return max(0, end - there)


def _boxes_end(file: BinaryIO) -> int:
    """Return where the last box ends without which pictures are missing.

    What follows may be of any kind: dash cameras and drones write their own at the end.
    """
    at = end = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], 'big'), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], 'big')
        if size < 8 or kind not in _BOXES:  # the end of the file, 0: all that is left, or no box
            break
        at += size
        end = at if kind in _WITH_PICTURES else end
    return end


def _riff_end(file: BinaryIO) -> int:
    at = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[4:], 'little')
        if not head.startswith(_RIFF) or not size:  # the writer could not go back to fill it in
            break
        at += 8 + size
    return at


def _matroska_end(file: BinaryIO) -> int:
    file.seek(len(_EBML))
    header = _matroska_size(file)
    file.seek(header or 0, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return 0
    size = _matroska_size(file)
    return 0 if size is None else file.tell() + size


def _matroska_size(file: BinaryIO) -> int | None:
    """Read the size of an element; None where its writer did not know it."""
    first = int.from_bytes(file.read(1), 'big')
    more = 8 - first.bit_length()
    size = int.from_bytes(bytes([first ^ (0x80 >> more)]) + file.read(more), 'big') if first else 0
    return None if size == (1 << 7 * (more + 1)) - 1 else size
