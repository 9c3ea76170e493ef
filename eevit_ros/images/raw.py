"""From a ROS image message to an RGB frame.

`decode_image` reads the fields of sensor_msgs/Image, `decode_compressed` those of CompressedImage.
Both raise `EevitError` for whatever they cannot read, and nothing else.

Conventions where the format leaves a choice:
- mono16 uses its whole range: 65535 is white, as in cv_bridge (value / 257, rounded).
- 16UC1 is depth in millimetres (REP 118): 10 m and more is white, as in rqt_image_view.
- Another `PixelRange` changes both.
- 8UC1, 8UC3 and 8UC4 are grey, BGR and BGRA, as OpenCV users mean and RViz reads them.
- Alpha is dropped, not blended. YUV is BT.601, limited range. EXIF orientation is ignored: pixels
  stay as the camera's driver sent them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.jpeg_png import JPEG_MAGIC, PNG_MAGIC, decompress
from eevit_ros.images.pixel_range import PixelRange, Pixels, to_8_bit
from eevit_ros.images.resize import Image, InputSize, check_size
from eevit_ros.images.settings import Range

if TYPE_CHECKING:
    from array import array

    from sensor_msgs.msg import Image as ImageMessage

Data: TypeAlias = 'bytes | bytearray | memoryview | array[int] | npt.NDArray[np.uint8]'

WHOLE = (0.0, 65_535.0)
DEPTH_MM = (0.0, 10_000.0)


class _Layout(NamedTuple):
    """Memory layout of an encoding's pixels, and their conversion to RGB."""

    channels: int
    to_rgb: Callable[[Pixels], Pixels]
    own_range: Range | None = None  # of 16-bit items; `to_rgb` then takes them as 8 bits
    multiple_of: tuple[int, int] = (1, 1)  # (height, width)
    at_least: int = 1  # of height and width
    chroma_rows: bool = False  # below the image, half as many rows again


def _by(code: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _as_is(pixels: Pixels) -> Pixels:
    pixels.flags.writeable = False  # a view: nobody may draw into the message
    return pixels


def _reversed(pixels: Pixels) -> Pixels:
    return _as_is(pixels)[:, :, ::-1]  # a view; `resize` reorders the few pixels that are left


_GREY = _Layout(1, _by(cv2.COLOR_GRAY2RGB))
_BGR = _Layout(3, _reversed)
_BGRA = _Layout(4, _by(cv2.COLOR_BGRA2RGB))
_UYVY = _Layout(2, _by(cv2.COLOR_YUV2RGB_UYVY), multiple_of=(1, 2))
_YUYV = _Layout(2, _by(cv2.COLOR_YUV2RGB_YUYV), multiple_of=(1, 2))
# ROS names a Bayer pattern from the first pixel, OpenCV from the second pixel of the second row.
# Below 3 pixels a side OpenCV returns black.
_BAYER = {
    'bayer_rggb8': _Layout(1, _by(cv2.COLOR_BayerBG2RGB), at_least=3),
    'bayer_bggr8': _Layout(1, _by(cv2.COLOR_BayerRG2RGB), at_least=3),
    'bayer_gbrg8': _Layout(1, _by(cv2.COLOR_BayerGR2RGB), at_least=3),
    'bayer_grbg8': _Layout(1, _by(cv2.COLOR_BayerGB2RGB), at_least=3),
}
_LAYOUTS = {
    'rgb8': _Layout(3, _as_is),
    'bgr8': _BGR,
    'rgba8': _Layout(4, _by(cv2.COLOR_RGBA2RGB)),
    'bgra8': _BGRA,
    'mono8': _GREY,
    'mono16': _GREY._replace(own_range=WHOLE),
    '8UC1': _GREY,
    '8UC3': _BGR,
    '8UC4': _BGRA,
    '16UC1': _GREY._replace(own_range=DEPTH_MM),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv21': _Layout(1, _by(cv2.COLOR_YUV2RGB_NV21), multiple_of=(2, 2), chroma_rows=True),
    **_BAYER,
}

SUPPORTED_ENCODINGS = tuple(_LAYOUTS)


def decode_image_message(message: ImageMessage, values: PixelRange | None = None) -> Image:
    """Decode a sensor_msgs/Image; cv_bridge, if installed, decodes encodings unknown here.

    Args:
        message: The message.
        values: As in `decode_image`.

    Returns:
        RGB uint8 (H, W, 3), see `decode_image`.

    Raises:
        EevitError: The image is malformed, or its encoding is unknown.
    """
    if message.encoding in _LAYOUTS:
        return decode_image(
            message.data,
            height=message.height,
            width=message.width,
            encoding=message.encoding,
            step=message.step,
            is_bigendian=bool(message.is_bigendian),
            values=values,
        )
    check_size(message.height, message.width)
    try:
        from cv_bridge import CvBridge
    except ImportError as err:
        raise _unknown_encoding(message.encoding) from err
    try:
        bridge = CvBridge()
        dtype, channels = bridge.encoding_to_dtype_with_channels(message.encoding)
        if message.step % (np.dtype(dtype).itemsize * channels):  # cv_bridge would shear the image
            raise ValueError(f'step {message.step} is not a whole number of pixels')
        return np.asarray(bridge.imgmsg_to_cv2(message, desired_encoding='rgb8'), np.uint8)
    except Exception as err:  # it does not check its input, so it may raise anything
        raise EevitError(
            f'cv_bridge cannot read encoding {message.encoding!r}: {err}: '
            f'publish one of {", ".join(SUPPORTED_ENCODINGS)}'
        ) from err


def decode_image(
    data: Data,
    *,
    height: int,
    width: int,
    encoding: str,
    step: int,
    is_bigendian: bool = False,
    values: PixelRange | None = None,
) -> Image:
    """Decode the fields of a sensor_msgs/Image.

    Args:
        data: Rows of `step` bytes; the last one may lack its padding.
        height: Rows of the image.
        width: Pixels per row.
        encoding: One of `SUPPORTED_ENCODINGS`.
        step: Bytes from one row to the next; need not be a whole number of pixels.
        is_bigendian: Byte order of 16-bit encodings.
        values: Black and white of 16-bit encodings; None takes the encoding's own.

    Returns:
        RGB uint8 (height, width, 3): a read-only view of `data` for rgb8 and BGR, else a new array.

    Raises:
        EevitError: The encoding is unknown, or the sizes contradict it, each other or the data.
    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise _unknown_encoding(encoding)
    check_size(height, width)
    per_height, per_width = layout.multiple_of
    if height % per_height or width % per_width or min(height, width) < layout.at_least:
        raise EevitError(
            f'height and width of {encoding} must be multiples of {layout.multiple_of} and '
            f'{layout.at_least} or more. Got {(height, width)}: fix the driver'
        )
    rows = height + height // 2 if layout.chroma_rows else height
    item_bytes = 1 if layout.own_range is None else 2
    pixel_bytes = layout.channels * item_bytes
    if step < width * pixel_bytes:
        raise EevitError(
            f'step is {step}, but a row of {width} {encoding} pixels has {width * pixel_bytes} '
            f'bytes: fix step, width or encoding in the driver'
        )
    flat = _flat(data)
    needed = step * (rows - 1) + width * pixel_bytes
    if flat.size < needed:
        raise EevitError(
            f'image data is truncated: {flat.size} bytes, but {width}x{height} {encoding} with '
            f'step {step} needs {needed}: fix the driver, or check the link to the camera'
        )
    pixels: Pixels = np.ndarray(
        (rows, width, layout.channels),
        np.dtype(f'{">" if is_bigendian else "<"}u{item_bytes}'),
        flat,
        strides=(step, pixel_bytes, item_bytes),
    )
    if layout.own_range is not None:
        # In this machine's byte order and aligned; copies only if needed.
        pixels = np.require(pixels, np.uint16, ['ALIGNED'])
        pixels = to_8_bit(pixels, (values or PixelRange()).of(pixels, layout.own_range))
    try:
        return layout.to_rgb(pixels)
    except cv2.error as err:  # such as an image of one pixel with OpenCV 4.5.4
        raise EevitError(
            f'OpenCV {cv2.__version__} cannot read {width}x{height} {encoding}: {err}'
        ) from err


def decode_compressed(
    data: Data, format: str, size: InputSize | None = None, values: PixelRange | None = None
) -> Image:
    """Decode the JPEG or PNG of a sensor_msgs/CompressedImage.

    The bytes say which of the two it is. `format` only says what a PNG's grey values mean:
    image_transport puts Bayer mosaics and depth there unchanged ('16UC1; png compressed ').

    Args:
        data: The file's bytes.
        format: The message's field of that name.
        size: As in `jpeg_png.decompress`.
        values: As in `decode_image`, for a PNG of 16 bits.

    Returns:
        RGB uint8 (H, W, 3); 16 bits per channel become 8 as in mono16. With `size`, a large JPEG is
        reduced.

    Raises:
        EevitError: Empty, truncated, corrupt, too large or another format.
    """
    raw = _flat(data).tobytes()
    name = f'compressed image (format {format!r})'
    if 'compresseddepth' in format.lower() and not raw.startswith((JPEG_MAGIC, PNG_MAGIC)):
        raise EevitError(
            f'{name} comes from the compressedDepth transport, which is not supported: '
            f'subscribe to a colour image, or to the raw topic'
        )
    pixels = decompress(raw, name, size)
    if pixels.ndim == 2:
        encoding = format.split(';')[0].strip() if raw.startswith(PNG_MAGIC) else ''
        return _grey_to_rgb(pixels, encoding, values)
    if pixels.dtype == np.uint16:
        pixels = to_8_bit(pixels, (values or PixelRange()).of(pixels, WHOLE))
    return (_BGR if pixels.shape[2] == 3 else _BGRA).to_rgb(pixels)


def _grey_to_rgb(pixels: Pixels, encoding: str, values: PixelRange | None) -> Image:
    if pixels.dtype == np.uint16:
        encoding = '16UC1' if encoding == '16UC1' else 'mono16'
    elif encoding not in _BAYER:
        encoding = 'mono8'
    height, width = pixels.shape
    pixels = pixels.astype(pixels.dtype.newbyteorder('<'), copy=False)
    return decode_image(
        pixels,
        height=height,
        width=width,
        encoding=encoding,
        step=width * pixels.itemsize,
        values=values,
    )


def _flat(data: Data) -> npt.NDArray[np.uint8]:
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as err:
        raise EevitError(
            f'image data must be contiguous bytes, for example bytes or an array of uint8. '
            f'Got {type(data).__name__}: {err}'
        ) from err


def _unknown_encoding(encoding: str) -> EevitError:
    return EevitError(
        f'unknown encoding {encoding!r}: publish one of {", ".join(SUPPORTED_ENCODINGS)}, '
        f'or install cv_bridge, which reads some others'
    )
