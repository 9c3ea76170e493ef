"""Where boxes lie in the picture that the model sees."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.images.mounting import FLIPS, ROTATIONS, Mounting
from eevit_ros.regions.box import LEAST, NOT_FINITE, OUTSIDE, TOO_SMALL, Box, Rect, overlap, place

NUMBERS = st.floats(width=64)
HEIGHT, WIDTH = 20, 30


@st.composite
def mountings(draw: st.DrawFn) -> Mounting:
    crop = draw(
        st.just((0, 0, 0, 0))
        | st.tuples(*(st.integers(low, high) for low, high in ((0, 9), (0, 9), (1, 20), (1, 10))))
    )
    return Mounting(crop, draw(st.sampled_from(ROTATIONS)), draw(st.sampled_from(FLIPS)))


@given(st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), st.floats(0, 5), mountings())
def test_any_box_is_a_part_of_the_picture_or_a_reason(
    box: Box, margin: float, mounting: Mounting
) -> None:
    image = mounting.of(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    height, width = image.shape[:2]
    found = place(box, margin, height, width, mounting)
    if isinstance(found, str):
        assert found in (NOT_FINITE, TOO_SMALL, OUTSIDE)
    else:
        assert 0 <= found.left < found.right <= width
        assert 0 <= found.top < found.bottom <= height


@given(
    mountings(),
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)),
    st.tuples(st.integers(LEAST, WIDTH), st.integers(LEAST, HEIGHT)),
)
def test_a_mounted_camera_shows_what_the_box_holds(
    mounting: Mounting, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    """The numbers of the pixels in the box, wherever the mounting puts them."""
    picture = np.arange(HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3)
    (x, y), (width, height) = corner, size
    mounted = mounting.of(picture)  # type: ignore[arg-type]
    box = Box(x + width / 2, y + height / 2, width, height)
    found = place(box, 0.0, *mounted.shape[:2], mounting)
    wanted = set(picture[y : y + height, x : x + width].ravel()) & set(mounted.ravel())
    if isinstance(found, str):
        assert found == OUTSIDE
        assert not wanted
    else:
        shown = mounted[found.top : found.bottom, found.left : found.right]
        assert set(shown.ravel()) == wanted


@given(st.floats(0, 2 * math.pi), st.floats(LEAST, 40), st.floats(LEAST, 40))
def test_a_turned_box_is_shown_by_the_rectangle_around_it(
    theta: float, width: float, height: float
) -> None:
    found = place(Box(100, 100, width, height, theta), 0.0, 200, 200)
    assert isinstance(found, Rect)
    cos, sin = math.cos(theta), math.sin(theta)
    for right, down in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        x = 100 + (right * width * cos - down * height * sin) / 2
        y = 100 + (right * width * sin + down * height * cos) / 2
        assert found.left - 0.51 <= x <= found.right + 0.51
        assert found.top - 0.51 <= y <= found.bottom + 0.51
    upright = place(Box(100, 100, width, height), 0.0, 200, 200)
    if round(theta / math.pi, 9) in (0, 1, 2):
        assert found == upright


@pytest.mark.parametrize(
    ('box', 'margin', 'wanted'),
    [
        (Box(15, 10, 10, 6), 0.0, Rect(10, 7, 20, 13)),
        (Box(15, 10, 10, 6), 0.5, Rect(5, 4, 25, 16)),
        (Box(0, 0, 10, 10), 0.0, Rect(0, 0, 5, 5)),  # partly outside
        (Box(15, 10, 1e9, 1e9), 0.1, Rect(0, 0, WIDTH, HEIGHT)),
        (Box(15, 10, 10, 4, math.pi / 2), 0.0, Rect(13, 5, 17, 15)),
        (Box(-10, 10, 10, 6), 0.0, OUTSIDE),
        (Box(WIDTH + 5, 10, 10, 6), 0.0, OUTSIDE),
        (Box(15, 10, 0, 6), 0.1, TOO_SMALL),
        (Box(15, 10, 10, -6), 0.1, TOO_SMALL),
        (Box(0.5, 0.5, 1.0, 1.0), 0.1, TOO_SMALL),  # in shares of the picture
        (Box(math.nan, 10, 10, 6), 0.1, NOT_FINITE),
        (Box(15, 10, math.inf, 6), 0.1, NOT_FINITE),
        (Box(15, 10, 1.7e308, 1.7e308, 0.7), 5.0, NOT_FINITE),
    ],
)
def test_boxes(box: Box, margin: float, wanted: Rect | str) -> None:
    assert place(box, margin, HEIGHT, WIDTH) == wanted


RECTS = st.builds(
    lambda x, y, width, height: Rect(x, y, x + width, y + height),
    *[st.integers(0, 20)] * 2,
    *[st.integers(1, 20)] * 2,
)


@given(RECTS, RECTS)
def test_the_overlap_is_the_share_of_common_pixels(a: Rect, b: Rect) -> None:
    def pixels(rect: Rect) -> set[tuple[int, int]]:
        return {(x, y) for x in range(rect.left, rect.right) for y in range(rect.top, rect.bottom)}

    one, other = pixels(a), pixels(b)
    assert overlap(a, b) == pytest.approx(len(one & other) / len(one | other))
