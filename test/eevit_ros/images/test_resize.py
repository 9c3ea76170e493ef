from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import (
    INTERPOLATIONS,
    LAST_SHRINK,
    MAX_PIXELS,
    MODES,
    Image,
    InputSize,
    ResizeRule,
    check_size,
    resize,
)

no_deadline = settings(deadline=None)  # a busy machine may stall for seconds
STRETCH = ResizeRule(mode='stretch')

rules = st.builds(
    ResizeRule, st.sampled_from(MODES), st.sampled_from(sorted(INTERPOLATIONS)), st.booleans()
)
sides = st.integers(1, 120)
out_sides = st.integers(1, 48)


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def checkerboard(height: int, width: int) -> Image:
    odd = (np.arange(height)[:, None] + np.arange(width)) % 2
    return np.repeat((odd * 255).astype(np.uint8)[..., None], 3, axis=2)


def area_weights(size: int, out: int) -> np.ndarray:
    """Return (out, size): how much of each pixel lies in each output pixel, rows adding up to 1."""
    edges = np.arange(out + 1) * size / out
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)
    overlap = np.clip(np.minimum(right, pixel + 1) - np.maximum(left, pixel), 0, None)
    return overlap * out / size


def area_mean(image: Image, height: int, width: int) -> np.ndarray:
    rows = area_weights(image.shape[0], height)
    columns = area_weights(image.shape[1], width)
    narrow = np.tensordot(image.astype(float), columns, axes=(1, 1))  # (h, c, width)
    return np.tensordot(rows, narrow, axes=(1, 0)).transpose(0, 2, 1)


@no_deadline
@given(sides, sides, out_sides, out_sides, rules)
def test_every_frame_becomes_the_asked_size(h, w, height, width, rule):
    out = resize(noise(h, w), height, width, rule)
    assert out.shape == (height, width, 3)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous


@no_deadline
@given(sides, sides, out_sides, out_sides, rules, st.integers(0, 255))
def test_a_constant_frame_stays_constant(h, w, height, width, rule, value):
    out = resize(np.full((h, w, 3), value, np.uint8), height, width, rule)
    allowed = {value, 114} if rule.mode == 'letterbox' else {value}
    assert set(np.unique(out)) <= allowed
    assert value in out


@no_deadline
@given(sides, sides, st.integers(0, 17), out_sides, rules)
def test_row_padding_makes_no_difference(h, w, padding, size, rule):
    step = w * 3 + padding
    view = np.ndarray((h, w, 3), np.uint8, noise(1, h * step).tobytes(), strides=(step, 3, 1))
    np.testing.assert_array_equal(
        resize(view, size, size, rule), resize(view.copy(), size, size, rule)
    )


@no_deadline
@given(sides, sides, st.integers(0, 17), out_sides, rules)
def test_a_view_of_bgr_makes_no_difference(h, w, padding, size, rule):
    rgb = noise(h, w)
    rows = np.zeros((h, 3 * w + padding), np.uint8)
    rows[:, : 3 * w] = rgb[:, :, ::-1].reshape(h, -1)
    view = rows[:, : 3 * w].reshape(h, w, 3)[:, :, ::-1]
    out = resize(view, size, size, rule)
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, resize(rgb, size, size, rule))


@no_deadline
@given(st.integers(8, 300), st.integers(8, 300), st.floats(2, 12), st.floats(2, 12))
def test_a_fine_checkerboard_shrinks_to_grey(h, w, ratio_h, ratio_w):
    height, width = max(1, int(h / ratio_h)), max(1, int(w / ratio_w))
    out = resize(checkerboard(h, w), height, width, STRETCH).astype(int)
    assert abs(out - 127.5).max() < 40  # 127.5 without antialiasing
    assert abs(out.mean() - 127.5) < 8


@pytest.mark.parametrize('size', [(480, 640), (481, 641), (720, 1280), (1080, 1920)])
@pytest.mark.parametrize('out', [32, 84, 100])
def test_camera_frames_are_antialiased(size, out):
    board = resize(checkerboard(*size), out, out, ResizeRule()).astype(int)
    assert abs(board - 127.5).max() < 12
    aliased = resize(checkerboard(*size), out, out, ResizeRule(antialias=False)).astype(int)
    assert abs(aliased - 127.5).max() > 30


@pytest.mark.parametrize('shape', [(1024, 16, 32, 32), (16, 1024, 32, 32)])
def test_an_axis_that_shrinks_is_antialiased_while_the_other_grows(shape):
    h, w, height, width = shape
    lines = checkerboard(h, 1) if h > height else checkerboard(1, w)
    out = resize(np.broadcast_to(lines, (h, w, 3)), height, width, STRETCH)
    assert set(np.unique(out)) <= {127, 128}


factors = st.sampled_from([1, 2, 3, 4, 8])


@no_deadline
@given(st.integers(1, 20), st.integers(1, 20), factors, factors)
def test_shrinking_by_whole_factors_is_the_mean_of_blocks(height, width, by_h, by_w):
    image = noise(height * by_h, width * by_w)
    blocks = image.reshape(height, by_h, width, by_w, 3).mean(axis=(1, 3))
    assert abs(resize(image, height, width, STRETCH) - blocks).max() <= 0.51


@no_deadline
@given(st.integers(8, 160), st.integers(8, 160), st.floats(1, 40), st.floats(1, 40))
def test_shrinking_is_the_exact_area_mean(h, w, ratio_h, ratio_w):
    image = noise(h, w)
    height, width = max(1, round(h / ratio_h)), max(1, round(w / ratio_w))
    expected = area_mean(image, height, width)
    assert abs(resize(image, height, width, STRETCH) - expected).max() <= 0.51


@pytest.mark.parametrize(
    'size', [(480, 480), (720, 1280), (1080, 1920), (1081, 1080), (1350, 1350), (1344, 1600)]
)
@pytest.mark.parametrize('values', [(0, 256), (0, 2)])
def test_large_frames_are_shrunk_as_by_opencv(size, values):
    image = np.random.default_rng(0).integers(*values, (*size, 3), np.uint8)
    by_opencv = cv2.resize(image, (84, 84), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resize(image, 84, 84, STRETCH), by_opencv)


@no_deadline
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 60), st.integers(0, 60))
def test_enlarging_is_bilinear_between_pixel_centres(h, w, more_h, more_w):
    image = noise(h, w)
    height, width = h + more_h, w + more_w
    other = Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR)
    difference = resize(image, height, width, STRETCH).astype(int) - np.asarray(other)
    assert abs(difference).max() <= 2


def test_training_images_are_enlarged_as_they_were_in_training():
    image = noise(32, 32)
    expected = cv2.resize(image, (84, 84), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize(image, 84, 84, ResizeRule()), expected)


@pytest.mark.parametrize('size', [(48, 80), (80, 48)])
def test_center_crop_keeps_the_middle(size):
    image = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - 48) // 2, (size[1] - 48) // 2
    image[top : top + 48, left : left + 48] = noise(48, 48)
    out = resize(image, 48, 48, ResizeRule(mode='center_crop'))
    np.testing.assert_array_equal(out, image[top : top + 48, left : left + 48])


def test_letterbox_keeps_everything_between_grey_bars():
    image = noise(24, 48)
    out = resize(image, 48, 48, ResizeRule(mode='letterbox'))
    np.testing.assert_array_equal(out[12:36], image)
    assert set(np.unique(np.concatenate([out[:12], out[36:]]))) == {114}


@pytest.mark.parametrize('bad', [{'mode': 'squash'}, {'interpolation': 'nearest'}])
def test_unknown_rules_are_refused(bad):
    value = next(iter(bad.values()))
    with pytest.raises(EevitError, match=f'must be one of .* Got {value!r}'):
        ResizeRule(**bad)


@pytest.mark.parametrize('size', [(0, 5), (5, 0), (-1, 5), (1, MAX_PIXELS + 1), (2**32 - 1,) * 2])
def test_absurd_sizes_are_refused_with_their_value(size):
    with pytest.raises(EevitError, match=f'{size[1]}x{size[0]} pixels'):
        check_size(*size)


@pytest.mark.parametrize(
    ('size', 'rule', 'expected'),
    [
        ((1080, 1920), ResizeRule(), 1),  # 12.9 times the input: too little is left to average
        ((2160, 3840), ResizeRule(), 2),
        ((2160, 3841), ResizeRule(), 1),  # an odd column would be averaged with nothing
        ((4320, 7680), ResizeRule(), 4),
        ((8000, 8000), ResizeRule(), 8),
        ((8000, 8000), ResizeRule(antialias=False), 1),
        ((100, 8000), ResizeRule(), 1),
        ((100, 8000), STRETCH, 1),
        ((96, 8000), ResizeRule(mode='letterbox'), 8),  # 1 pixel high: the sides shrink alike
    ],
)
def test_a_decoder_may_reduce_what_is_much_larger_than_the_input(size, rule, expected):
    assert InputSize(84, 84, rule).reduction(*size) == expected


@no_deadline
@given(st.integers(1, 4000), st.integers(1, 4000), out_sides, out_sides, rules)
def test_a_reduced_frame_is_still_several_times_as_large_as_the_input(h, w, height, width, rule):
    by = InputSize(height, width, rule).reduction(h, w)
    assert by in (1, 2, 4, 8)
    assert h % by == 0 and w % by == 0
    if by > 1 and rule.mode != 'letterbox':
        assert h // by >= LAST_SHRINK * height and w // by >= LAST_SHRINK * width


def test_large_cameras_are_not_refused():
    check_size(8000, 8000)
