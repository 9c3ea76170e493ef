"""The encodings of sensor_msgs/Image: where the pixels lie, and how they become RGB.

Packed encodings have one row of pixels after the other. Planar ones have a plane of brightness (Y),
then planes of colour (chroma), whose rows have a step in proportion.

Conventions where the format leaves a choice:
- mono16 uses its whole range: 65535 is white, as in cv_bridge (value / 257, rounded). So do rgb16,
  bayer_*16, 16UC3 and 16UC4.
- 16UC1 is depth in millimetres and 32FC1 in metres (REP 118): 10 m and more is white, as in
  rqt_image_view; no reading (0, NaN) is black.
- 8UC1, 8UC3 and 8UC4 are grey, BGR and BGRA, as OpenCV users mean and RViz reads them; so are the
  other types of OpenCV. Which values are black and white in those that are signed or floating,
  nobody has agreed on: a `PixelRange` must say.
- Alpha is dropped, not blended. YUV is BT.601, limited range.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.images.pixel_range import PixelRange, Pixels, to_8_bit
from eevit_ros.images.resize import Image
from eevit_ros.images.settings import Range

if TYPE_CHECKING:
    from array import array

Data: TypeAlias = 'bytes | bytearray | memoryview | array[int] | npt.NDArray[np.uint8]'
Bytes: TypeAlias = npt.NDArray[np.uint8]
PlanesToRgb: TypeAlias = Callable[[Bytes, Bytes, int, int], Pixels]

WHOLE = (0.0, 65_535.0)
DEPTH_MM = (0.0, 10_000.0)
DEPTH_M = (0.0, 10.0)


class Packed(NamedTuple):
    """Memory layout of a packed encoding's pixels, and their conversion to RGB.

    Attributes:
        channels: Numbers a pixel.
        to_rgb: Takes (H, W, channels) of 8 bits.
        item: Type of a number, in this machine's byte order.
        own_range: Black and white of items other than uint8; None if nobody has agreed on them.
        multiple_of: What height and width must be multiples of.
        at_least: Least height and width.
    """

    channels: int
    to_rgb: Callable[[Pixels], Pixels]
    item: np.dtype[Any] = np.dtype(np.uint8)
    own_range: Range | None = None
    multiple_of: tuple[int, int] = (1, 1)
    at_least: int = 1


class Planar(NamedTuple):
    """Memory layout of a planar encoding, one byte a sample.

    Attributes:
        half_rows: Rows of `step` bytes in all, for every two rows of the image.
        half_steps: Step of the chroma rows, in halves of `step`.
        to_rgb: Takes Y (H, W), the bytes of the other planes, the step, and how many rows Y has
            with its padding.
        multiple_of: As of `Packed`.
    """

    half_rows: int
    half_steps: int
    to_rgb: PlanesToRgb
    multiple_of: tuple[int, int]


def _by(code: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _as_is(pixels: Pixels) -> Pixels:
    pixels.flags.writeable = False  # a view: nobody may draw into the message
    return pixels


def _reversed(pixels: Pixels) -> Pixels:
    return _as_is(pixels)[:, :, ::-1]  # a view; `resize` reorders the few pixels that are left


def _plane(data: Bytes, shape: tuple[int, ...], step: int) -> Bytes:
    """Return rows of `shape` that begin every `step` bytes."""
    inner = (2, 1) if len(shape) == 3 else (1,)
    plane: Bytes = np.ndarray(shape, np.uint8, data, strides=(step, *inner))
    return plane


def _half_size_pairs(code: int) -> PlanesToRgb:
    def to_rgb(y: Bytes, chroma: Bytes, step: int, rows: int) -> Pixels:
        pairs = _plane(chroma, (y.shape[0] // 2, y.shape[1] // 2, 2), step)
        return np.asarray(cv2.cvtColorTwoPlane(y, pairs, code), np.uint8)

    return to_rgb


def _half_size_planes(code: int) -> PlanesToRgb:
    def to_rgb(y: Bytes, chroma: Bytes, step: int, rows: int) -> Pixels:
        height, width = y.shape
        # OpenCV wants all planes in one piece, without padding.
        whole = np.empty(height * width * 3 // 2, np.uint8)
        whole[: height * width].reshape(height, width)[:] = y
        half = whole[height * width :].reshape(2, height // 2, width // 2)
        half[0] = _plane(chroma, half[0].shape, step // 2)
        half[1] = _plane(chroma[rows // 2 * step // 2 :], half[1].shape, step // 2)
        return cv2.cvtColor(whole.reshape(height * 3 // 2, width), code)

    return to_rgb


def _half_width_pairs(code: int) -> PlanesToRgb:
    def to_rgb(y: Bytes, chroma: Bytes, step: int, rows: int) -> Pixels:
        # One byte of each plane in turn is the packed encoding Y U Y V.
        return cv2.cvtColor(cv2.merge([y, _plane(chroma, y.shape, step)]), code)

    return to_rgb


def _full_size_pairs(code: int) -> PlanesToRgb:
    def to_rgb(y: Bytes, chroma: Bytes, step: int, rows: int) -> Pixels:
        height, width = y.shape
        # With every Y twice it is Y U Y V at twice the width.
        pairs = _plane(chroma, (height, 2 * width), 2 * step)
        wide = cv2.merge([np.repeat(y, 2, axis=1), pairs])
        return np.array(cv2.cvtColor(wide, code)[:, ::2], np.uint8)

    return to_rgb


_GREY = Packed(1, _by(cv2.COLOR_GRAY2RGB))
_RGB = Packed(3, _as_is)
_BGR = Packed(3, _reversed)
_RGBA = Packed(4, _by(cv2.COLOR_RGBA2RGB))
_BGRA = Packed(4, _by(cv2.COLOR_BGRA2RGB))
_UYVY = Packed(2, _by(cv2.COLOR_YUV2RGB_UYVY), multiple_of=(1, 2))
_YUYV = Packed(2, _by(cv2.COLOR_YUV2RGB_YUYV), multiple_of=(1, 2))
_OPENCV = {1: _GREY, 3: _BGR, 4: _BGRA}


def _deep(layout: Packed, item: str = 'u2', own_range: Range | None = WHOLE) -> Packed:
    return layout._replace(item=np.dtype(item), own_range=own_range)


# ROS names a Bayer pattern from the first pixel, OpenCV from the second pixel of the second row.
# Below 3 pixels a side OpenCV returns black.
_BAYER = {
    'rggb': Packed(1, _by(cv2.COLOR_BayerBG2RGB), at_least=3),
    'bggr': Packed(1, _by(cv2.COLOR_BayerRG2RGB), at_least=3),
    'gbrg': Packed(1, _by(cv2.COLOR_BayerGR2RGB), at_least=3),
    'grbg': Packed(1, _by(cv2.COLOR_BayerGB2RGB), at_least=3),
}
LAYOUTS: dict[str, Packed | Planar] = {
    'rgb8': _RGB,
    'bgr8': _BGR,
    'rgba8': _RGBA,
    'bgra8': _BGRA,
    'mono8': _GREY,
    'rgb16': _deep(_RGB),
    'bgr16': _deep(_BGR),
    'rgba16': _deep(_RGBA),
    'bgra16': _deep(_BGRA),
    'mono16': _deep(_GREY),
    **{f'bayer_{order}8': layout for order, layout in _BAYER.items()},
    **{f'bayer_{order}16': _deep(layout) for order, layout in _BAYER.items()},
    **{f'8UC{n}': layout for n, layout in _OPENCV.items()},
    '16UC1': _deep(_GREY, own_range=DEPTH_MM),
    '16UC3': _deep(_BGR),
    '16UC4': _deep(_BGRA),
    '32FC1': _deep(_GREY, 'f4', DEPTH_M),
    '64FC1': _deep(_GREY, 'f8', DEPTH_M),
    **{
        f'{8 * int(item[1])}{kind}C{n}': _deep(layout, item, None)
        for item, kind in (('i1', 'S'), ('i2', 'S'), ('i4', 'S'), ('f4', 'F'), ('f8', 'F'))
        for n, layout in _OPENCV.items()
        if (kind, n) != ('F', 1)
    },
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': Planar(3, 2, _half_size_pairs(cv2.COLOR_YUV2RGB_NV12), (2, 2)),
    'nv21': Planar(3, 2, _half_size_pairs(cv2.COLOR_YUV2RGB_NV21), (2, 2)),
    'i420': Planar(3, 1, _half_size_planes(cv2.COLOR_YUV2RGB_I420), (2, 2)),
    'yv12': Planar(3, 1, _half_size_planes(cv2.COLOR_YUV2RGB_YV12), (2, 2)),
    'nv16': Planar(4, 2, _half_width_pairs(cv2.COLOR_YUV2RGB_YUYV), (1, 2)),
    'nv61': Planar(4, 2, _half_width_pairs(cv2.COLOR_YUV2RGB_YVYU), (1, 2)),
    'nv24': Planar(6, 4, _full_size_pairs(cv2.COLOR_YUV2RGB_YUYV), (1, 1)),
    'nv42': Planar(6, 4, _full_size_pairs(cv2.COLOR_YUV2RGB_YVYU), (1, 1)),
}
_NAMES = {
    **{name.lower(): name for name in LAYOUTS},
    **{name[:-1].lower(): name for name in LAYOUTS if name.endswith('C1')},  # 8UC is 8UC1
    **dict.fromkeys(('yu12', 'iyuv', 'yuv420p'), 'i420'),  # other names of the same
    'yuy2': 'yuyv',
}

SUPPORTED_ENCODINGS = tuple(LAYOUTS)

_USUAL = 'rgb8, bgr8, rgba8, bgra8, mono8, mono16, bayer_rggb8, yuyv, uyvy, nv12, 16UC1, 32FC1'


def flat(data: Data) -> npt.NDArray[np.uint8]:
    """Return bytes as a view.

    Raises:
        EevitError: They are not contiguous bytes.
    """
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as err:
        raise EevitError(
            f'image data must be contiguous bytes, for example bytes or an array of uint8. '
            f'Got {type(data).__name__}: {err}'
        ) from err


def to_rgb(pixels: Pixels, encoding: str, values: PixelRange | None) -> Image:
    """Return the RGB image that pixels (H, W, channels) of a packed encoding show.

    Raises:
        EevitError: Nobody has agreed on what is black and white, and `values` do not say.
    """
    layout = LAYOUTS[encoding]
    assert isinstance(layout, Packed)
    if layout.item != np.uint8:
        black_white = (values or PixelRange()).of(pixels, layout.own_range, encoding)
        pixels = to_8_bit(pixels, black_white)
    return layout.to_rgb(pixels)


def name_of(encoding: str) -> str:
    """Return the name of an encoding as sensor_msgs spells it, '' for an unknown one."""
    if encoding in LAYOUTS:
        return encoding
    return _NAMES.get(_plain(encoding), '')


def is_no_picture(encoding: str) -> bool:
    """Return whether an encoding without a `name_of` is a type of OpenCV, of other channels."""
    return re.fullmatch(r'(8|16|32|64)[usf]c\d+', _plain(encoding)) is not None


def unknown(encoding: str) -> str:
    """Return what is wrong with an encoding without a `name_of`, and the cure."""
    name, what = _plain(encoding), f'unknown encoding {encoding!r}'
    if is_no_picture(encoding):
        what = f'encoding {encoding!r} does not have the channels of a picture: 1, 3 or 4'
    elif bits := re.fullmatch(r'(mono|bayer_[rgb]{4})(10|12|14)p?', name):
        white = 2 ** int(bits[2]) - 1
        return f'{what}: put such pixels into {bits[1]}16 and set image_range to [0, {white}]'
    return f'{what}: publish one of {_USUAL} or another that sensor_msgs names'


def _plain(encoding: str) -> str:
    return encoding.strip(' \t\r\n\0').lower()
