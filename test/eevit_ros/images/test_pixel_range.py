"""10 to 14 bits in 16: a range that is given, one that follows the images, and what is told."""

from __future__ import annotations

import numpy as np
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.images.pixel_range import LOOKS, WATCHED, PixelRange
from eevit_ros.images.raw import decode_image
from eevit_ros.images.settings import AUTO, ImageSettings
from eevit_ros.perception.perception import contrast
from eevit_ros.settings import from_values

BLIND_BELOW = 2.0


def scene(low: float, high: float, seed: int = 0, noise: float = 4.0) -> np.ndarray:
    """Return a picture (48, 64) of values from `low` to `high`, with a sensor's noise."""
    y, x = np.mgrid[:48, :64]
    waves = np.sin(x / 9) * np.cos(y / 7)
    dots = np.random.default_rng(seed).normal(0, noise, waves.shape)
    return low + (high - low) * (waves + 1) / 2 + dots


def shown(pixels: np.ndarray, values: PixelRange, encoding: str = 'mono16') -> np.ndarray:
    """Return the grey image of unsigned whole numbers of 16 bits."""
    data = np.clip(pixels, 0, 65535).astype('<u2')
    return decode_image(
        data, height=48, width=64, encoding=encoding, step=128, values=values
    )[..., 0]  # fmt: skip


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('bits', [10, 12, 14])
def test_a_given_range_shows_black_and_white(bits, encoding):
    white = 2**bits - 1
    values = PixelRange((0.0, float(white)))
    deep = np.linspace(0, 1.2 * white, 48 * 64).reshape(48, 64).astype(int)
    expected = np.minimum(deep / white, 1) * 255
    assert abs(shown(deep, values, encoding) - expected).max() <= 0.51
    assert values.warning == ''


@pytest.mark.parametrize(('black', 'white'), [(7000, 9000), (9000, 7000), (-500, 300)])
def test_a_range_may_begin_anywhere_and_be_turned_round(black, white):
    deep = np.linspace(0, 12000, 48 * 64).reshape(48, 64).astype(int)
    expected = np.clip((deep - black) / (white - black), 0, 1) * 255
    assert abs(shown(deep, PixelRange((black, white))) - expected).max() <= 0.51


def test_an_automatic_range_shows_any_picture():
    for low, high in ((100, 900), (7000, 9000), (200, 60000)):
        image = shown(scene(low, high), PixelRange(AUTO))
        assert image.min() < 10 and image.max() > 245
        assert contrast(np.dstack([image] * 3)) > 10 * BLIND_BELOW


def test_an_automatic_range_follows_slowly():
    values = PixelRange(AUTO)
    for seed in range(30):
        before = shown(scene(7000, 9000, seed), values)
    # Something hot comes into a tenth of the picture: what was there does not flicker.
    for seed in range(5):
        picture = scene(7000, 9000, seed)
        picture[:, :7] = 14000
        after = shown(picture, values)
        assert abs(after[:, 7:].astype(int) - before[:, 7:]).mean() < 255 * 0.05 * (seed + 3)
        before = after
    # Another light is followed to the end.
    for seed in range(150):
        after = shown(scene(2000, 3000, seed), values)
    assert after.min() < 20 and after.max() > 235


def test_an_automatic_range_leaves_a_covered_lens_dark():
    values = PixelRange(AUTO)
    for seed in range(20):
        shown(scene(500, 3500, seed), values)
    for seed in range(300):
        image = shown(scene(60, 60, seed), values)
    assert contrast(np.dstack([image] * 3)) < BLIND_BELOW


@pytest.mark.parametrize('first', ['covered', 'garbage'])
def test_an_automatic_range_gets_over_odd_first_images(first):
    values = PixelRange(AUTO)
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 65536, (48, 64))
        image = shown(scene(60, 60, seed) if first == 'covered' else noise, values)
    if first == 'covered':
        assert contrast(np.dstack([image] * 3)) < BLIND_BELOW
    for seed in range(120):
        image = shown(scene(100, 900, seed), values)
    assert image.min() < 30 and image.max() > 225


def test_an_automatic_range_leaves_a_tunnel_in_a_few_images():
    values = PixelRange(AUTO)
    for seed in range(100):
        shown(scene(100, 600, seed), values)
    for seed in range(12):
        image = shown(scene(2000, 12000, seed), values)
    assert contrast(np.dstack([image] * 3)) > 10 * BLIND_BELOW
    assert np.mean(image == 255) < 0.2


def test_an_automatic_range_starts_again_with_another_encoding():
    values = PixelRange(AUTO)
    shown(scene(100, 900), values)
    image = shown(scene(20000, 60000), values, '16UC1')
    assert image.min() < 10 and image.max() > 245


@pytest.mark.parametrize('encoding', ['32FC1', '32FC3', '64FC1', '64FC4'])
def test_an_automatic_range_takes_floats_that_are_not_all_numbers(encoding):
    item = f'<f{int(encoding[:2]) // 8}'
    channels = int(encoding[-1])
    pixels = np.repeat(scene(0.2, 0.8, noise=0)[..., None], channels, axis=2)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = np.nan, np.inf, -np.inf
    image = decode_image(
        pixels.astype(item).tobytes(), height=48, width=64, encoding=encoding,
        step=64 * channels * int(item[2]), values=PixelRange(AUTO),
    )  # fmt: skip
    assert image[0, :3, 0].tolist() == [0, 255, 0]
    assert image[1:].min() < 10 and image[1:].max() > 245


@pytest.mark.parametrize('pixels', [np.full((48, 64), np.nan), np.zeros((48, 64))])
def test_an_automatic_range_takes_an_image_without_any_reading(pixels):
    image = decode_image(
        pixels.astype('<f4').tobytes(), height=48, width=64, encoding='32FC1', step=256,
        values=PixelRange(AUTO),
    )  # fmt: skip
    assert image.std() == 0


@pytest.mark.parametrize('bits', [10, 12, 14])
@pytest.mark.parametrize('encoding', ['mono16', 'bayer_rggb16'])
def test_low_bits_are_told_from_a_covered_lens(bits, encoding):
    values = PixelRange()
    white = 2**bits - 1
    for seed in range(3):
        shown(scene(0.05 * white, 0.95 * white, seed), values, encoding)
    assert f'only the low {bits} bits' in values.warning
    assert f'[0, {white}]' in values.warning
    covered = PixelRange()
    for seed in range(20):
        shown(scene(60, 60, seed), covered, encoding)
    assert covered.warning == ''


@pytest.mark.parametrize('odd', ['a hot pixel', 'no reading'])
def test_low_bits_are_told_whatever_a_few_pixels_say(odd):
    values = PixelRange()
    picture = scene(100, 4000)
    picture[: (6 if odd == 'no reading' else 1), : 1 if odd == 'a hot pixel' else 64] = 65535
    if odd == 'a hot pixel':
        picture[9, 9] = 40000
    shown(picture, values)
    assert 'only the low 12 bits' in values.warning


def test_bits_of_one_odd_image_are_forgotten():
    values = PixelRange()
    shown(scene(100, 60000), values)
    dusk = scene(100, 4000)
    for _ in range(WATCHED * LOOKS):
        shown(dusk, values)
    assert 'only the low 12 bits' in values.warning


def test_a_dark_start_says_nothing_of_the_bits_of_the_camera():
    values = PixelRange()
    shown(scene(10, 250), values)
    assert 'image_range' in values.warning and '[0, 255]' not in values.warning


def test_an_automatic_range_leaves_pixels_without_a_reading_out():
    picture = scene(100, 4000)
    picture[:6] = 65535
    image = shown(picture, PixelRange(AUTO))
    assert contrast(np.dstack([image[6:]] * 3)) > 10 * BLIND_BELOW


def test_a_bright_picture_takes_the_warning_back():
    values = PixelRange()
    shown(scene(100, 4000), values)
    assert values.warning
    for high in (60000, 4000):  # day, dusk
        for seed in range(WATCHED):
            shown(scene(100, high, seed), values)
        assert values.warning == ''


@pytest.mark.parametrize(
    ('low', 'high', 'encoding', 'told'),
    [
        (29000, 31000, '16UC1', True),  # hundredths of a kelvin: all white
        (40, 250, '16UC1', True),
        (500, 6000, '16UC1', False),  # depth
        (3000, 3500, '16UC1', False),
        (100, 60000, 'mono16', False),
        (29500, 30300, 'mono16', True),  # counts of a thermal camera
    ],
)
def test_values_far_from_the_shown_range_are_told(low, high, encoding, told):
    values = PixelRange()
    shown(scene(low, high), values, encoding)
    assert ('set image_range' in values.warning) == told


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        ('', None),
        (None, None),
        ('auto', AUTO),
        ([0, 4095], (0.0, 4095.0)),
        ((1.5, -2), (1.5, -2.0)),
    ],
)
def test_the_parameter_takes_a_range(value, expected):
    assert from_values(ImageSettings, {'image_range': value}).image_range == expected


@pytest.mark.parametrize(
    'value', ['12 bits', [0], [0, 1, 2], [5, 5], [0, float('nan')], [True, 4], 4095, ['0', '1']]
)
def test_a_wrong_parameter_is_refused(value):
    with pytest.raises(EevitError, match="parameter 'image_range' must"):
        from_values(ImageSettings, {'image_range': value})
