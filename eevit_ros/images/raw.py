"""From a ROS image message to an RGB frame.

`decode_image` reads the fields of sensor_msgs/Image, and raises `EevitError` for whatever it cannot
read, and nothing else. What the encodings mean is in `encodings`; `compressed` reads
CompressedImage.

Some drivers put the bytes of a JPEG or PNG file into an Image. No pixels begin as such files do, so
those are decoded whatever encoding, size and step say.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images import headers, jpeg
from eevit_ros.images.compressed import decode_compressed
from eevit_ros.images.encodings import (
    LAYOUTS,
    Data,
    Packed,
    Planar,
    flat,
    is_no_picture,
    name_of,
    to_rgb,
    unknown,
)
from eevit_ros.images.pixel_range import PixelRange, Pixels
from eevit_ros.images.resize import Image, InputSize, check_size

if TYPE_CHECKING:
    from sensor_msgs.msg import Image as ImageMessage

_FIRST_BYTES = {jpeg.JPEG_MAGIC[0], headers.PNG_MAGIC[0], ord('R')}

PADDED_ROWS = 64
"""Fewer rows than this may lie between the planes of a planar image: decoders align the height."""


class UnknownEncodingError(EevitError):
    """An encoding that is none of `SUPPORTED_ENCODINGS`; the message says what to do."""


def decode_image_message(
    message: ImageMessage, values: PixelRange | None = None, size: InputSize | None = None
) -> Image:
    """Decode a sensor_msgs/Image; cv_bridge, if installed, decodes encodings unknown here.

    Args:
        message: The message.
        values: As in `decode_image`.
        size: As in `decode_image`.

    Returns:
        RGB uint8 (H, W, 3), see `decode_image`.

    Raises:
        EevitError: The image is malformed, or its encoding is unknown.
    """
    try:
        return decode_image(
            message.data,
            height=message.height,
            width=message.width,
            encoding=message.encoding,
            step=message.step,
            is_bigendian=bool(message.is_bigendian),
            values=values,
            size=size,
        )
    except UnknownEncodingError as err:
        if is_no_picture(message.encoding):
            raise
        return _decode_by_cv_bridge(message, str(err))


def _decode_by_cv_bridge(message: ImageMessage, problem: str) -> Image:
    check_size(message.height, message.width)
    try:
        from cv_bridge import CvBridge
    except ImportError as err:
        raise EevitError(f'{problem}, or install cv_bridge, which may read it') from err
    except Exception as err:  # built for another NumPy, for example
        raise EevitError(
            f'{problem}; the installed cv_bridge cannot be loaded ({type(err).__name__}: {err}): '
            f"if it was built for NumPy 1, install 'numpy<2'"
        ) from err
    try:
        bridge = CvBridge()
        dtype, channels = bridge.encoding_to_dtype_with_channels(message.encoding)
        if message.step % (np.dtype(dtype).itemsize * channels):  # cv_bridge would shear the image
            raise ValueError(f'step {message.step} is not a whole number of pixels')
        return np.asarray(bridge.imgmsg_to_cv2(message, desired_encoding='rgb8'), np.uint8)
    except Exception as err:  # it does not check its input, so it may raise anything
        raise EevitError(f'{problem}; cv_bridge cannot read it either: {err}') from err


def decode_image(
    data: Data,
    *,
    height: int,
    width: int,
    encoding: str,
    step: int,
    is_bigendian: bool = False,
    values: PixelRange | None = None,
    size: InputSize | None = None,
) -> Image:
    """Decode the fields of a sensor_msgs/Image.

    Args:
        data: Rows of `step` bytes; the last one may lack its padding.
        height: Rows of the image.
        width: Pixels per row.
        encoding: One of `SUPPORTED_ENCODINGS`, in any case.
        step: Bytes from one row to the next; need not be a whole number of pixels. 0 means that
            `data` holds whole rows of equal length. One that cannot be, such as pixels in place of
            bytes, does not count where `data` holds the rows and nothing else.
        is_bigendian: Byte order of encodings of more than 8 bits.
        values: Black and white of such encodings; None takes the encoding's own.
        size: As in `picture_file.decompress`, if `data` is such a file.

    Returns:
        RGB uint8 (height, width, 3): a read-only view of `data` for rgb8 and BGR, else a new array.

    Raises:
        EevitError: The encoding is unknown, or the sizes contradict it, each other or the data.
    """
    found = flat(data)
    if _is_picture_file(found):
        try:
            return decode_compressed(found, encoding, size, values)
        except EevitError as err:
            raise EevitError(
                f'an Image message that says {encoding!r} holds a picture file: {err}'
            ) from err
    name, step = _checked(encoding, height, width, step, found.size)
    layout = LAYOUTS[name]
    try:
        if isinstance(layout, Planar):
            return _planar(found, height, width, step, layout)
        pixels = _packed(found, height, width, step, layout, is_bigendian)
        return to_rgb(pixels, name, values)
    except cv2.error as err:  # such as an image of one pixel with OpenCV 4.5.4
        raise EevitError(
            f'OpenCV {cv2.__version__} cannot read {width}x{height} {encoding}: {err}'
        ) from err


@lru_cache
def _checked(encoding: str, height: int, width: int, step: int, size: int) -> tuple[str, int]:
    """Return the name of an encoding and the true step of its rows.

    A camera's images are alike, so this is found once.

    Args:
        encoding: As in `decode_image`.
        height: As in `decode_image`.
        width: As in `decode_image`.
        step: As in `decode_image`.
        size: Bytes of data.

    Raises:
        EevitError: As in `decode_image`.
    """
    if not (name := name_of(encoding)):
        raise UnknownEncodingError(unknown(encoding))
    layout = LAYOUTS[name]
    check_size(height, width)
    per_height, per_width = layout.multiple_of
    at_least = layout.at_least if isinstance(layout, Packed) else 1
    if height % per_height or width % per_width or min(height, width) < at_least:
        wanted = f'multiples of {per_height} and {per_width}'
        if at_least > 1:
            wanted = f'{at_least} or more'
        raise EevitError(
            f'height and width of {encoding} must be {wanted}. Got {(height, width)}: fix the '
            f'driver'
        )
    rows, row_bytes, half_steps = height, width, 2
    if isinstance(layout, Planar):
        rows, half_steps = height * layout.half_rows // 2, layout.half_steps
    else:
        row_bytes = width * layout.channels * layout.item.itemsize
    if step == 0 and size % rows == 0:
        step = size // rows
    elif size == rows * row_bytes and (isinstance(layout, Planar) or step < row_bytes):
        # Some drivers count pixels, others count the other planes in, as 1.5 or 2 bytes a pixel.
        step = row_bytes
    if step < row_bytes:
        raise EevitError(
            f'step is {step}, but a row of {width} {encoding} pixels has {row_bytes} '
            f'bytes: fix step, width or encoding in the driver'
        )
    if half_steps == 1 and step % 2:
        raise EevitError(f'step of {encoding} must be even. Got {step}: fix the driver')
    needed = step * rows - (step - row_bytes) * half_steps // 2
    if size < needed:
        raise EevitError(
            f'image data is truncated: {size} bytes, but {width}x{height} {encoding} with '
            f'step {step} needs {needed}: fix the driver, or check the link to the camera'
        )
    return name, step


def _is_picture_file(data: npt.NDArray[np.uint8]) -> bool:
    """Return whether bytes are a JPEG, PNG or WebP file, and cannot be pixels."""
    if not data.size or data.item(0) not in _FIRST_BYTES:
        return False
    head = data[:16].tobytes()
    if head.startswith(jpeg.JPEG_MAGIC):
        return jpeg.begins_as_jpeg(data.data)
    return head.startswith(headers.PNG_MAGIC) or headers.is_webp(head)


def _packed(
    data: npt.NDArray[np.uint8], height: int, width: int, step: int, layout: Packed, big: bool
) -> Pixels:
    channels, bytes_each = layout.channels, layout.item.itemsize
    pixels: Pixels = np.ndarray(
        (height, width, channels),
        layout.item if bytes_each == 1 else layout.item.newbyteorder('>' if big else '<'),
        data,
        strides=(step, channels * bytes_each, bytes_each),
    )
    if bytes_each > 1:
        # In this machine's byte order and aligned; copies only if needed.
        pixels = np.require(pixels, layout.item, ['ALIGNED'])
    return pixels


def _planar(
    data: npt.NDArray[np.uint8], height: int, width: int, step: int, layout: Planar
) -> Image:
    y = np.ndarray((height, width), np.uint8, data, strides=(step, 1))
    rows = height
    padded = 2 * data.size // (layout.half_rows * step)
    if height < padded < height + PADDED_ROWS and padded * layout.half_rows * step == 2 * data.size:
        rows = padded
    return layout.to_rgb(y, data[rows * step :], step, rows)
