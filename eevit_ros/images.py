"""Resizing a frame to the model's input: the one implementation that everything calls.

Training-side evaluation, calibration, replay, benchmarks and the node all go through `resize`, so
that the model sees the same pixels wherever it runs. Normalisation is inside the model's graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError

Image = npt.NDArray[np.uint8]

MODES = ('stretch', 'center_crop', 'letterbox')
MAX_PIXELS = 64_000_000  # larger frames are refused: this many are 192 MB of RGB

INTERPOLATIONS = {'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}


@dataclass(frozen=True)
class ResizeRule:
    """How a frame becomes the model's input; stored in the model file's metadata.

    Attributes:
        mode: 'stretch' ignores the aspect ratio, 'center_crop' keeps the largest centred
            rectangle of the model's aspect ratio, 'letterbox' keeps all and pads with grey 114.
        interpolation: 'linear' or 'cubic'; used to enlarge, and to shrink without `antialias`.
        antialias: average over the pixels that fall together when shrinking.
    """

    mode: str = 'center_crop'
    interpolation: str = 'linear'
    antialias: bool = True

    def __post_init__(self) -> None:
        """Raise `EevitError` for a value that is not one of the above."""
        if self.mode not in MODES:
            raise EevitError(f'resize mode must be one of {MODES}. Got {self.mode!r}')
        if self.interpolation not in INTERPOLATIONS:
            raise EevitError(
                f'interpolation must be one of {tuple(INTERPOLATIONS)}. Got {self.interpolation!r}'
            )


def resize(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    """Resize an RGB frame to (height, width, 3) by `rule`.

    Args:
        image: uint8 (H, W, 3); may be a view with padded rows.
        height: Output height in pixels.
        width: Output width in pixels.
        rule: The model's resize rule.

    Returns:
        uint8 (height, width, 3), contiguous.
    """
    if rule.mode == 'center_crop':
        image = _center_crop(image, height, width)
    elif rule.mode == 'letterbox':
        return _letterbox(image, height, width, rule)
    return _scale(image, height, width, rule)


def check_size(height: int, width: int) -> None:
    """Refuse a frame without pixels, or with so many that a wrong header is likelier.

    Raises:
        EevitError: A side is below 1, or the area is above `MAX_PIXELS`.
    """
    if height < 1 or width < 1:
        raise EevitError(f'image is {width}x{height} pixels (width x height): correct the driver')
    if height * width > MAX_PIXELS:
        raise EevitError(
            f'image is {width}x{height} pixels, more than {MAX_PIXELS} in all: lower the '
            f'resolution, or correct width and height in the driver'
        )


def _center_crop(image: Image, height: int, width: int) -> Image:
    h, w = image.shape[:2]
    scale = min(h / height, w / width)
    crop_h, crop_w = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    return image[top : top + crop_h, left : left + crop_w]


def _letterbox(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    h, w = image.shape[:2]
    scale = min(height / h, width / w)
    inner_h, inner_w = max(1, round(h * scale)), max(1, round(w * scale))
    out = np.full((height, width, 3), 114, np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    out[top : top + inner_h, left : left + inner_w] = _scale(image, inner_h, inner_w, rule)
    return out


def _scale(image: Image, height: int, width: int, rule: ResizeRule) -> Image:
    if rule.antialias:
        # An axis that shrinks does so first and on its own: asked to shrink one axis and enlarge
        # the other, INTER_AREA averages neither.
        image = _shrink(image, min(height, image.shape[0]), min(width, image.shape[1]))
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    interpolation = INTERPOLATIONS[rule.interpolation]
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)


def _shrink(image: Image, height: int, width: int) -> Image:
    """Average to a size that is not larger in any axis; every pixel counts."""
    h, w = image.shape[:2]
    # Halving even sizes exactly (2x2 means) is three to six times as fast as INTER_AREA in one go.
    # The last step still shrinks by 2 or more, which keeps its weights nearly even.
    while h % 2 == 0 and w % 2 == 0 and h >= 4 * height and w >= 4 * width:
        h, w = h // 2, w // 2
        image = np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    if (h, w) == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
