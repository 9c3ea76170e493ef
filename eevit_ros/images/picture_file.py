"""Picture files to pixels, with the checks that a camera on a bad cable needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images import headers, jpeg
from eevit_ros.images.resize import MAX_PIXELS, InputSize, check_size

MAX_BYTES = 4 * MAX_PIXELS
LOST = 128
"""Value of the pixels that libjpeg makes of blocks without data."""

LARGE = 200_000
"""Pixels of a picture of which one block is less than a thousandth."""

_BLURRED = 4  # rows of a bar beside the picture that need not be quite grey

# Unlike IMREAD_UNCHANGED, these rotate the image by its EXIF orientation unless told not to.
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}
_HEADERS: dict[str, Callable[[bytes], headers.Header | None]] = {
    'png': headers.read_png,
    'webp': headers.read_webp,
    'tiff': headers.read_tiff,
    'bmp': headers.read_bmp,
    'pnm': headers.read_pnm,
}
_EXIF = {'jpeg': jpeg.exif, 'png': headers.png_exif, 'webp': headers.webp_exif}

# By EXIF orientation: mirrored left to right, then turned clockwise.
_UPRIGHT = {
    2: (True, None),
    3: (False, cv2.ROTATE_180),
    4: (True, cv2.ROTATE_180),
    5: (True, cv2.ROTATE_90_COUNTERCLOCKWISE),
    6: (False, cv2.ROTATE_90_CLOCKWISE),
    7: (True, cv2.ROTATE_90_CLOCKWISE),
    8: (False, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


class Cures(NamedTuple):
    """What to do about a file.

    Attributes:
        foreign: That is of another kind.
        damaged: That lacks something.
        large: That is too large.
    """

    foreign: str
    damaged: str
    large: str


_OF_CAMERAS = Cures(
    'make the camera publish JPEG or PNG',
    'check the link to the camera',
    'lower the resolution, or fix the driver',
)
_OF_PHOTOS = Cures('convert it to JPEG or PNG', 'copy it again', 'make it smaller')


def picture_format(raw: bytes) -> str:
    """Return 'jpeg', 'png', 'webp', 'tiff', 'bmp' or 'pnm' by the first bytes, '' for others."""
    if raw.startswith(jpeg.JPEG_MAGIC):
        return 'jpeg'
    if raw.startswith(headers.PNG_MAGIC):
        return 'png'
    if headers.is_webp(raw):
        return 'webp'
    if raw.startswith(headers.TIFF_MAGICS):
        return 'tiff'
    if raw.startswith(b'BM') and headers.read_bmp(raw):
        return 'bmp'
    return 'pnm' if headers.read_pnm(raw) else ''


def orientation(raw: bytes) -> int:
    """Return the EXIF orientation of a file, 1 (upright) to 8.

    That of a TIFF file is none: all who read TIFF turn its pixels themselves.
    """
    find = _EXIF.get(picture_format(raw))
    return headers.orientation(find(raw)) if find else 1


def decompress(
    raw: bytes, name: str, size: InputSize | None = None, *, is_photo: bool = False
) -> npt.NDArray[Any]:
    """Decode a picture file, whichever kind the bytes say it is.

    The header is checked before anything is decoded, see `check_header`. Truncated files, which
    older OpenCV decodes to partly grey images, are refused, and so are JPEGs that lost data in the
    middle, if so much that the last block has none.

    Args:
        raw: The file's bytes.
        name: The file's name in errors.
        size: The model input that the pixels are for, if they serve nothing else: a much larger
            JPEG is decoded at a half, a quarter or an eighth of its sides, which saves most of the
            inverse transform.
        is_photo: Whether it lies on a disk: it is turned as EXIF says. Else a camera sends it.

    Returns:
        (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA; uint8, uint16, or what a TIFF holds. A reduced
        JPEG has the file's sides divided by `InputSize.reduction`.

    Raises:
        EevitError: Empty, truncated, corrupt, too large or another format.
    """
    cures = _OF_PHOTOS if is_photo else _OF_CAMERAS
    header = check_header(raw, name, cures)
    height, width = header[:2]
    turn = orientation(raw) if is_photo else 1
    by, flags = 1, cv2.IMREAD_UNCHANGED
    if isinstance(header, jpeg.JpegHeader) and size is not None:
        by = size.reduction(*((width, height) if turn > 4 else (height, width)))
        flags = _REDUCED.get(by, flags)
    image, problem = None, ''
    try:
        if isinstance(header, jpeg.JpegHeader):
            image = _decode_jpeg(raw, header, flags, by)
            if image is None and not jpeg.has_end(raw, header):
                raise _truncated(raw, name, header, cures)
        else:
            image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error as err:
        problem = f' ({err.err})'
    if image is None or image.shape[:2] != (height // by, width // by):
        raise EevitError(
            f'{name} of {width}x{height} pixels, {len(raw)} bytes, is corrupt or of a kind that '
            f'OpenCV {cv2.__version__} does not read{problem}: {cures.damaged}, or {cures.foreign}'
        )
    return _turned(np.asarray(image), turn)


def check_header(raw: bytes, name: str, cures: Cures) -> headers.Header | jpeg.JpegHeader:
    """Return the header of a picture file, which begins with height and width; decode nothing.

    So a small file cannot claim all memory, nor a huge one hours of decoding.

    Args:
        raw: The file's bytes.
        name: The file's name in errors.
        cures: What to do about them.

    Raises:
        EevitError: Empty, truncated, too large or another format.
    """
    if len(raw) > MAX_BYTES:
        raise EevitError(f'{name} has {len(raw)} bytes, more than {MAX_BYTES}: {cures.large}')
    kind = picture_format(raw)
    if not kind:
        raise EevitError(
            f'{name} is neither JPEG nor PNG, WebP, TIFF, BMP or PNM: it has {len(raw)} bytes and '
            f'starts with [{raw[:8].hex(" ")}]: {cures.foreign}'
        )
    header = jpeg.read_header(raw) if kind == 'jpeg' else _HEADERS[kind](raw)
    if header is None:
        raise EevitError(
            f'{name} is truncated or corrupt: no {kind.upper()} header within {len(raw)} bytes: '
            f'{cures.damaged}'
        )
    height, width = header[:2]
    check_size(height, width)
    if isinstance(header, headers.Header) and not header.complete:
        raise _truncated(raw, name, header, cures)
    return header


def _decode_jpeg(
    raw: bytes, header: jpeg.JpegHeader, flags: int, by: int
) -> npt.NDArray[Any] | None:
    """Return the picture of a JPEG, reduced `by`; None if part of it is lost, or nothing decodes.

    With an end marker, lost data show by what is missing at the end.
    """
    if not jpeg.has_end(raw, header):
        return _decode_without_end(raw, header, flags, by)
    image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    if image is None or abs(image.item(-1) - LOST) > 1:
        return image
    if not _is_grey(_last_block(image, header, by)).all() or _has_bars(image):
        return image
    body = jpeg.without_padding(raw[: raw.rfind(jpeg.END_OF_IMAGE)])
    guessed = None
    if jpeg.complete_scans(body):
        file = jpeg.with_guessed_ends(body, header)[0]
        guessed = cv2.imdecode(np.frombuffer(file, np.uint8), flags)
    return image if guessed is not None and np.array_equal(image, guessed) else None


def _decode_without_end(
    raw: bytes, header: jpeg.JpegHeader, flags: int, by: int
) -> npt.NDArray[Any] | None:
    """Return the picture of a JPEG without an end marker, reduced `by`; None if it is cut."""
    body = jpeg.without_padding(raw)
    scans = jpeg.complete_scans(body)
    if scans == 1 and header.height * header.width >= LARGE:
        image = cv2.imdecode(np.frombuffer(body + jpeg.END_OF_IMAGE, np.uint8), flags)
        if image is not None:
            block = _last_block(image, header, by)
            if block.size and (block != block[:1, :1]).any():
                return image  # those that are lost are even
    # Some cameras never write the marker. This tells for sure, but takes twice the time, and makes
    # libjpeg print a warning.
    files = jpeg.with_guessed_ends(body, header) if scans else ()
    images = [cv2.imdecode(np.frombuffer(file, np.uint8), flags) for file in files]
    if not images or any(image is None for image in images):
        return None
    first, second = (np.asarray(image) for image in images)
    return first if np.array_equal(first, second) else None


def _has_bars(image: npt.NDArray[Any]) -> bool:
    """Return whether a picture begins with as many grey rows as it ends with, as in a letterbox."""
    begins = _is_grey(image[:, :: max(1, image.shape[1] // 8)]).all(axis=1)
    ends = _is_grey(image[::-1, -1:]).all(axis=1)
    first, last = (int(np.argmin(np.append(rows, False))) for rows in (begins, ends))
    return last <= first + _BLURRED


def _is_grey(pixels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which pixels are what libjpeg makes of lost data, (H, W)."""
    near = abs(pixels.astype(np.int16) - LOST) <= 1
    return np.asarray(near if near.ndim == 2 else near.all(axis=2), np.bool_)


def _last_block(image: npt.NDArray[Any], header: jpeg.JpegHeader, by: int) -> npt.NDArray[Any]:
    """Return the last block of 8x8 pixels, as far as the picture shows it."""
    rows, columns = (((side - 1) % 8 + 1) // by for side in header[:2])
    # Without its first row and column, into which the chroma of its neighbours bleeds.
    return image[image.shape[0] - rows + 1 :, image.shape[1] - columns + 1 :]


def _truncated(
    raw: bytes, name: str, header: headers.Header | jpeg.JpegHeader, cures: Cures
) -> EevitError:
    height, width = header[:2]
    return EevitError(
        f'{name} of {width}x{height} pixels is truncated: {len(raw)} bytes without an end: '
        f'{cures.damaged}'
    )


def _turned(image: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    mirrored, turn = _UPRIGHT.get(orientation, (False, None))
    image = cv2.flip(image, 1) if mirrored else image
    return image if turn is None else np.asarray(cv2.rotate(image, turn))
