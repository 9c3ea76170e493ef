"""Where a detector's box lies in the picture that the model sees."""

from __future__ import annotations

import math
from typing import NamedTuple

from eevit_ros.images.mounting import AS_IT_COMES, Mounting

LEAST = 2
"""Pixels a side that a box must have: a smaller one shows nothing, or is given in shares of 1."""

NOT_FINITE, TOO_SMALL, OUTSIDE = 'not finite', f'under {LEAST} pixels', 'outside'


class Box(NamedTuple):
    """A box of vision_msgs/BoundingBox2D, in pixels of the picture as the camera sends it.

    Attributes:
        x: Centre, pixels from the left edge of the picture.
        y: Centre, pixels from its upper edge.
        width: Size along the box's own x axis, pixels.
        height: Size along its y axis, pixels.
        theta: Angle of that x axis, radians clockwise.
    """

    x: float
    y: float
    width: float
    height: float
    theta: float = 0.0


class Rect(NamedTuple):
    """Part of a picture, whole pixels; `right` and `bottom` are the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int


def overlap(a: Rect, b: Rect) -> float:
    """Return the share of two parts together that belongs to both, 0 to 1."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(a) + _area(b) - width * height)


def place(
    box: Box, margin: float, height: int, width: int, mounting: Mounting = AS_IT_COMES
) -> Rect | str:
    """Return the part of a picture that shows a box, or why there is none.

    A turned box is shown by the upright rectangle around it: the network was trained on upright
    pictures, and a view costs no copy. What lies beyond the picture is left out.

    Args:
        box: The box.
        margin: Share of its size that is added on each side.
        height: Rows of the picture, mounted.
        width: Pixels a row of it.
        mounting: What was done to the picture; boxes are those of the picture before.

    Returns:
        The part, or one of `NOT_FINITE`, `TOO_SMALL` and `OUTSIDE`.
    """
    if not all(map(math.isfinite, box)):
        return NOT_FINITE
    if min(box.width, box.height) < LEAST:
        return TOO_SMALL
    cos, sin = abs(math.cos(box.theta)), abs(math.sin(box.theta))
    half_width = (0.5 + margin) * (cos * box.width + sin * box.height)
    half_height = (0.5 + margin) * (sin * box.width + cos * box.height)
    edges = (box.x - half_width, box.y - half_height, box.x + half_width, box.y + half_height)
    if not all(map(math.isfinite, edges)):
        return NOT_FINITE
    # Not `round`, for which 99.5 and 100.5 are both 100.
    left, top, right, bottom = (math.floor(edge + 0.5) for edge in edges)
    left, top, right, bottom = mounting.placed(left, top, right, bottom, height, width)
    rect = Rect(max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    return rect if rect.left < rect.right and rect.top < rect.bottom else OUTSIDE


def _area(rect: Rect) -> int:
    return (rect.right - rect.left) * (rect.bottom - rect.top)
