"""The picture for people: the frame with its answer drawn below it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image, ResizeRule, resize
from eevit_ros.model.engine import ExitResult
from eevit_ros.regions.box import Rect

MAX_WIDTH = 640
BAR = 44
QUALITY = 80
WHITE, GREY = (255, 255, 255), (70, 70, 70)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotate(
    image: Image, result: ExitResult, rate: float, boxes: Sequence[tuple[Rect, str]] = ()
) -> bytes:
    """Draw the answer below a frame.

    Args:
        image: Frame, uint8 (H, W, 3) RGB; stays as it is.
        result: Answer of the engine.
        rate: Adaptive rate after the frame, 0..1.
        boxes: Parts of it that are drawn, each with its text.

    Returns:
        A JPEG, at most 640 pixels wide: the frame above a bar with label, confidence, exit layer
        and a line as long as the rate is high, green at 1 and red towards 0.

    Raises:
        EevitError: OpenCV could not encode it.
    """
    height, width = image.shape[:2]
    scale = min(1.0, MAX_WIDTH / width)
    if width > MAX_WIDTH:
        height, width = max(1, round(height * MAX_WIDTH / width)), MAX_WIDTH
        image = resize(image, height, width, ResizeRule(mode='stretch'))
    canvas = np.zeros((height + BAR, width, 3), np.uint8)
    canvas[:height] = image[:, :, ::-1]  # OpenCV draws and encodes BGR
    for rect, words in boxes:
        left, top, right, bottom = (round(scale * edge) for edge in rect)
        cv2.rectangle(canvas, (left, top), (right, bottom), WHITE, 1)
        corner = (left + 3, min(bottom, height) - 4)
        cv2.putText(canvas, _ascii(words), corner, FONT, 0.4, WHITE, 1, cv2.LINE_AA)
    text = (
        f'{result.class_name} {result.confidence:.0%}  exit layer {result.exit_layer} '
        f'({result.depth:.0%})  rate {rate:.2f}'
    )
    cv2.putText(canvas, _ascii(text), (8, height + 20), FONT, 0.5, WHITE, 1, cv2.LINE_AA)
    left, right, y = 8, max(9, width - 8), height + 34
    cv2.line(canvas, (left, y), (right, y), GREY, 6)
    colour = (0, round(255 * rate), round(255 * (1.0 - rate)))
    cv2.line(canvas, (left, y), (left + round((right - left) * rate), y), colour, 6)
    done, encoded = cv2.imencode('.jpg', canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise EevitError(f'OpenCV cannot encode an annotated image of shape {canvas.shape} as JPEG')
    return bytes(encoded)


def _ascii(text: str) -> str:
    """Return what Hershey fonts can draw; other characters become question marks."""
    return text.encode('ascii', 'replace').decode()
