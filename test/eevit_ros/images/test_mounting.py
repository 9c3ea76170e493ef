"""Crop, rotation and flip: the right pixels, at the cost of none that do not count."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.images.decoder import Decoder
from eevit_ros.images.mounting import FLIPS, ROTATIONS, Mounting
from eevit_ros.images.resize import MODES, Image, InputSize, ResizeRule, resize
from eevit_ros.images.settings import ImageSettings
from eevit_ros.settings import from_values

HEIGHT, WIDTH = 30, 40


def mounting(**values: Any) -> Mounting:
    return from_values(Mounting, {f'image_{name}': value for name, value in values.items()})


def picture(height: int = HEIGHT, width: int = WIDTH, seed: int = 1) -> Image:
    """Return noise, smoothed so that a JPEG of it is close."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)


def by_hand(image: Image, crop: tuple[int, int, int, int], rotation: int, flip: str) -> Image:
    """Crop, turn clockwise, mirror: each step a copy."""
    x, y, width, height = crop
    image = image[y : y + height, x : x + width].copy() if any(crop) else image
    turn = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    image = cv2.rotate(image, turn[rotation]) if rotation else image
    return cv2.flip(image, {'horizontal': 1, 'vertical': 0}[flip]) if flip != 'none' else image


CROPS = st.one_of(
    st.just((0, 0, 0, 0)),
    st.just((0, 0, WIDTH, HEIGHT)),
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)).flatmap(
        lambda corner: st.tuples(
            st.just(corner[0]),
            st.just(corner[1]),
            st.integers(1, WIDTH - corner[0]),
            st.integers(1, HEIGHT - corner[1]),
        )
    ),
)


@given(CROPS, st.sampled_from(ROTATIONS), st.sampled_from(FLIPS))
def test_it_crops_then_turns_clockwise_then_mirrors_without_a_copy(
    crop: tuple[int, int, int, int], rotation: int, flip: str
) -> None:
    image = picture()
    mounted = mounting(crop=list(crop), rotation=rotation, flip=flip).of(image)
    np.testing.assert_array_equal(mounted, by_hand(image, crop, rotation, flip))
    assert np.shares_memory(mounted, image)


@given(
    st.sampled_from(ROTATIONS),
    st.sampled_from(FLIPS),
    st.sampled_from(MODES),
    st.sampled_from(['linear', 'cubic']),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
)
def test_a_turned_view_is_resized_as_its_copy(
    rotation: int,
    flip: str,
    mode: str,
    interpolation: str,
    antialias: bool,
    bgr: bool,
    sides: tuple[int, int],
    target: tuple[int, int],
) -> None:
    rule = ResizeRule(mode, interpolation, antialias)
    view = mounting(rotation=rotation, flip=flip).of(picture(*sides)[:, :, :: -1 if bgr else 1])
    small = resize(view, *target, rule)
    copied = resize(np.ascontiguousarray(view), *target, rule)
    assert small.flags['C_CONTIGUOUS']
    assert small.shape == copied.shape
    assert np.abs(small.astype(int) - copied).max() <= 2


@pytest.mark.parametrize('rotation', ROTATIONS)
@pytest.mark.parametrize(
    'crop', [(0, 0, 0, 0), (64, 32, 1024, 512), (8, 16, 1000, 600), (3, 5, 1001, 601)]
)
def test_a_reduced_jpeg_shows_the_same_part(rotation: int, crop: tuple[int, int, int, int]) -> None:
    """Also where the crop's borders fall between the pixels of a reduced picture."""
    done, data = cv2.imencode('.jpg', picture(640, 1280), [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    made = ImageSettings(mounting=mounting(crop=list(crop), rotation=rotation))
    size = InputSize(16, 32, ResizeRule('stretch'))
    reduced = Decoder(made).compressed(data.tobytes(), 'jpeg', size)
    whole = Decoder(made).compressed(data.tobytes(), 'jpeg')
    assert np.shape(whole) == by_hand(picture(640, 1280), crop, rotation, 'none').shape
    even = all(number % 2 == 0 for number in crop)
    assert (np.shape(reduced) < np.shape(whole)) == even
    small, expected = (resize(x, size.height, size.width, size.rule) for x in (reduced, whole))
    assert np.abs(small.astype(int) - expected).max() <= 4


def test_raw_images_are_mounted_after_they_are_decoded() -> None:
    """Of a Bayer mosaic, a crop at odd pixels would be another mosaic."""
    from types import SimpleNamespace

    mosaic = picture()[..., 0].copy()
    message: Any = SimpleNamespace(
        data=mosaic.tobytes(), height=HEIGHT, width=WIDTH, encoding='bayer_rggb8', step=WIDTH,
        is_bigendian=0,
    )  # fmt: skip
    plain = Decoder().image(message)
    made = ImageSettings(mounting=mounting(crop=[3, 5, 21, 13], rotation=90, flip='vertical'))
    np.testing.assert_array_equal(
        Decoder(made).image(message), by_hand(plain, (3, 5, 21, 13), 90, 'vertical')
    )


@pytest.mark.parametrize('crop', [[0, 0, 41, 30], [0, 1, 40, 30], [40, 0, 1, 1]])
def test_a_crop_beyond_the_picture_is_told_with_the_pictures_size(crop: list[int]) -> None:
    with pytest.raises(EevitError, match=r"'image_crop' .* 40x30 pixels"):
        mounting(crop=crop).of(picture())


@pytest.mark.parametrize('crop', [[0, 0, 1290, 600], [640, 0, 641, 640]])
def test_a_crop_beyond_a_reduced_jpeg_is_told_with_its_full_size(crop: list[int]) -> None:
    done, data = cv2.imencode('.jpg', picture(640, 1280))
    assert done
    decoder = Decoder(ImageSettings(mounting=mounting(crop=crop)))
    with pytest.raises(EevitError, match='1280x640 pixels'):
        decoder.compressed(data.tobytes(), 'jpeg', InputSize(8, 8, ResizeRule('stretch')))


@pytest.mark.parametrize('rotation', [45, 1, 91, 360, -90, 90.0, True, '90'])
def test_other_rotations_are_refused(rotation: Any) -> None:
    with pytest.raises(EevitError, match="'image_rotation'"):
        mounting(rotation=rotation)


@pytest.mark.parametrize(
    'crop',
    [
        [0, 0, 0, 10],
        [0, 0, 10, 0],
        [5, 5, 0, 0],
        [-1, 0, 10, 10],
        [0, 0, 10, -10],
        [0, 0, 10],
        [0, 0, 10, 10, 10],
        [0.0, 0.0, 10.0, 10.0],
        [],
        'all',
    ],
)
def test_other_crops_are_refused(crop: Any) -> None:
    with pytest.raises(EevitError, match="'image_crop'"):
        mounting(crop=crop)


@given(CROPS, st.sampled_from(ROTATIONS), st.sampled_from(FLIPS))
def test_it_is_told_exactly_where_there_is_one(
    crop: tuple[int, int, int, int], rotation: int, flip: str
) -> None:
    made = mounting(crop=list(crop), rotation=rotation, flip=flip)
    assert (made.text == 'none') == (not made)
    assert ('crop' in made.text) == any(crop)
    assert ('rotation' in made.text) == bool(rotation)
    assert ('flip' in made.text) == (flip != 'none')
