from __future__ import annotations

import cv2
import numpy as np
import pytest

from eevit_ros.nodes.classifier.annotate import BAR, annotate
from eevit_ros.regions.box import Rect
from test.eevit_ros.exit_results import exit_result


def drawn(image: np.ndarray, rate: float = 0.5, name: str = 'cat') -> np.ndarray:
    """Return the picture as RGB."""
    data = annotate(image, exit_result(class_name=name), rate)
    assert data.startswith(b'\xff\xd8\xff')
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture)[:, :, ::-1]


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((480, 640), (480 + BAR, 640)),
        ((1080, 1920), (360 + BAR, 640)),
        ((1, 1), (1 + BAR, 1)),
        ((3000, 2), (3000 + BAR, 2)),
        ((1, 5000), (1 + BAR, 640)),
    ],
)
def test_the_frame_stays_above_the_bar_at_most_640_wide(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = np.full((*size, 3), (200, 100, 50), np.uint8)
    picture = drawn(image)
    assert picture.shape == (*expected, 3)
    if min(size) > 100:
        assert picture[20 : -BAR - 20].reshape(-1, 3).mean(0) == pytest.approx(
            (200, 100, 50), abs=4
        )
    assert (image == (200, 100, 50)).all()


def test_the_line_grows_with_the_rate_from_red_to_green() -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    easy, hard = (drawn(image, rate)[100 + 34].astype(int) for rate in (1.0, 0.2))
    assert (easy[20:380, 1] > 150).all()
    assert (hard[20:70, 0] > 120).all()
    assert (hard[120:380, 0] < 120).all()


def test_a_read_only_view_with_padded_rows_is_fine() -> None:
    image = np.zeros((48, 80, 3), np.uint8)[:, :64]
    image.flags.writeable = False
    assert drawn(image).shape == (48 + BAR, 64, 3)


def test_text_shows_whatever_the_class_is_called() -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    assert drawn(image, name='Bär ' + '熊')[100:120].max() > 200


def test_boxes_lie_where_they_are_in_the_frame() -> None:
    image = np.zeros((1080, 1920, 3), np.uint8)
    data = annotate(image, exit_result(), 0.5, [(Rect(300, 300, 900, 600), 'cat 3')])
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)[:-BAR]
    rows, columns = np.nonzero(np.asarray(grey) > 100)
    assert (rows.min(), rows.max()) == pytest.approx((100, 200), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((100, 300), abs=2)
