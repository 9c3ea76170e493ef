"""A covered lens has no contrast, whatever its noise; what can be recognised has some."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eevit_ros.parameters.classifier_specs import SPECS
from eevit_ros.perception.blind_camera import contrast

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')

LIMIT = SPECS['blind_below_contrast'].default
COLOURS = [(0, 0, 0), (40, 40, 40), (60, 5, 5), (255, 255, 255)]


@pytest.mark.parametrize('colour', COLOURS)
@pytest.mark.parametrize('sigma', [0, 2, 5, 10])
@pytest.mark.parametrize('size', [(480, 640), (1080, 1920)])
def test_a_covered_lens_with_noise_is_below_the_limit(
    colour: tuple[int, int, int], sigma: float, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    picture = colour + sigma * rng.standard_normal((*size, 3), np.float32)
    assert contrast(np.clip(picture, 0, 255).astype(np.uint8)) < LIMIT / 2


@pytest.mark.parametrize('size', [(24, 32), (480, 640), (1080, 1920), (7, 2000)])
def test_a_lit_corner_of_a_64th_of_the_picture_is_above_it(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    image[-(size[0] // 8) or -1 :, -(size[1] // 8) :] = 64
    assert contrast(image) > LIMIT


def test_a_picture_of_two_halves_has_the_contrast_of_its_brightness() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 100
    assert contrast(image) == pytest.approx(50)
    assert contrast(cv2.flip(image, 1)) == pytest.approx(50)
    image[..., 1:] = 0
    assert contrast(image) == pytest.approx(15, abs=0.5)  # red is dark


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (3, 3), (2000, 1)])
def test_images_of_few_pixels_have_a_contrast_too(size: tuple[int, int]) -> None:
    assert contrast(np.full((*size, 3), 77, np.uint8)) == pytest.approx(0, abs=1e-3)


def test_rows_may_be_padded() -> None:
    padded = np.zeros((48, 80, 3), np.uint8)
    padded[:, 32:64] = 100
    padded[:, 64:] = 255  # not of the picture
    assert contrast(padded[:, :64]) == pytest.approx(50)
