from __future__ import annotations

import importlib.util
import sys
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.images.encodings import SUPPORTED_ENCODINGS
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.raw import decode_image, decode_image_message
from test.eevit_ros.images.encoded_images import (
    BAYER_ENCODINGS,
    CHANNEL_ORDER,
    PLANAR_ENCODINGS,
    YUV_ENCODINGS,
    bayer_colors,
    chroma_shape,
    color_rows,
    demosaic_inside,
    planes,
    rows_16_bit,
    with_padding,
    yuv_rows,
    yuv_to_rgb,
)

no_deadline = settings(deadline=None)  # a busy machine may stall for seconds
sides = st.integers(1, 24)
paddings = st.integers(0, 13)
seeds = st.integers(0, 2**32 - 1)


def values(seed: int, *shape: int, low: int = 0, high: int = 255) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(np.uint8)


@no_deadline
@given(sides, sides, st.sampled_from(sorted(CHANNEL_ORDER)), paddings, st.booleans(), seeds)
def test_color_is_put_in_order(height, width, encoding, padding, last_row_padded, seed):
    assume(cv2.__version__ != '4.5.4' or height * width > 1)  # it takes no picture of one pixel
    rgba = values(seed, height, width, 4)
    data, step = with_padding(color_rows(rgba, encoding), padding, last_row_padded)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    np.testing.assert_array_equal(image, rgba[..., :3])
    assert image.dtype == np.uint8


@no_deadline
@given(sides, sides, st.sampled_from(['mono8', '8UC1']), paddings, st.booleans(), seeds)
def test_grey_is_repeated(height, width, encoding, padding, last_row_padded, seed):
    grey = values(seed, height, width)
    data, step = with_padding(grey, padding, last_row_padded)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    np.testing.assert_array_equal(image, np.dstack([grey] * 3))


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 2, 3])
@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_every_16_bit_value_has_its_grey(encoding, padding, big_endian):
    deep = np.arange(65536).reshape(256, 256)
    expected = {
        'mono16': (deep + 128) // 257,  # value / 257, rounded
        '16UC1': np.minimum((deep * 255 + 5000) // 10000, 255),  # 10 m is white, rounded
    }[encoding]
    data, step = with_padding(rows_16_bit(deep, big_endian), padding, last_row_padded=False)
    image = decode_image(
        data, height=256, width=256, encoding=encoding, step=step, is_bigendian=big_endian
    )
    np.testing.assert_array_equal(image, np.dstack([expected] * 3))


@no_deadline
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(YUV_ENCODINGS),
    paddings,
    st.booleans(),
    seeds,
)
def test_yuv_follows_bt601(half_h, half_w, encoding, padding, last_row_padded, seed):
    height, width = 2 * half_h, 2 * half_w
    y = values(seed, height, width, low=16, high=235)
    u, v = values(seed + 1, 2, height, half_w, low=16, high=240)
    data, step = with_padding(yuv_rows(y, u, v, encoding), padding, last_row_padded)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    assert abs(image - yuv_to_rgb(y, u, v)).max() <= 1.5  # OpenCV calculates in integers


@no_deadline
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(PLANAR_ENCODINGS),
    paddings,
    st.integers(0, 20),
    seeds,
)
def test_planes_are_found_behind_padded_columns_and_rows(
    half_h, half_w, encoding, padding, more_rows, seed
):
    height, width = 2 * half_h, 2 * half_w
    y = values(seed, height, width, low=16, high=235)
    u, v = values(seed + 1, 2, *chroma_shape(height, width, encoding), low=16, high=240)
    data, step = planes(y, u, v, encoding, padding, more_rows)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    assert abs(image - yuv_to_rgb(y, u, v)).max() <= 1.5  # OpenCV calculates in integers


@pytest.mark.parametrize('encoding', PLANAR_ENCODINGS)
@pytest.mark.parametrize('step', ['none', 'with all planes', 'two bytes a pixel'])
def test_planes_without_padding_are_read_whatever_the_step_counts(encoding, step):
    y = values(0, 8, 10, low=16, high=235)
    u, v = values(1, 2, *chroma_shape(8, 10, encoding), low=16, high=240)
    data, _ = planes(y, u, v, encoding, 0, 0)
    said = {'none': 0, 'with all planes': len(data) // 8, 'two bytes a pixel': 20}[step]
    image = decode_image(data, height=8, width=10, encoding=encoding, step=said)
    assert abs(image - yuv_to_rgb(y, u, v)).max() <= 1.5


@no_deadline
@given(
    st.integers(3, 14),
    st.integers(3, 14),
    st.sampled_from(BAYER_ENCODINGS),
    paddings,
    st.booleans(),
    seeds,
)
def test_bayer_is_interpolated(height, width, encoding, padding, last_row_padded, seed):
    mosaic = values(seed, height, width)
    data, step = with_padding(mosaic, padding, last_row_padded)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    assert image.shape == (height, width, 3)
    difference = image[1:-1, 1:-1] - demosaic_inside(mosaic, encoding)
    assert abs(difference).max() <= 1


@no_deadline
@given(st.integers(3, 14), st.integers(3, 14), st.sampled_from(BAYER_ENCODINGS), seeds)
def test_a_bayer_image_of_one_color_is_that_color(height, width, encoding, seed):
    color = values(seed, 3)
    mosaic = color[bayer_colors(height, width, encoding)]
    image = decode_image(mosaic, height=height, width=width, encoding=encoding, step=width)
    np.testing.assert_array_equal(image, np.broadcast_to(color, (height, width, 3)))


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize(
    ('deep', 'shallow', 'channels'),
    [
        ('rgb16', 'rgb8', 3),
        ('bgr16', 'bgr8', 3),
        ('rgba16', 'rgba8', 4),
        ('bgra16', 'bgra8', 4),
        ('16UC3', 'bgr8', 3),
        ('16UC4', 'bgra8', 4),
        *((f'{name[:-1]}16', name, 1) for name in BAYER_ENCODINGS),
    ],
)
def test_16_bits_mean_what_8_bits_do(deep, shallow, channels, padding, big_endian):
    grey = values(0, 6, 8 * channels)
    noise = np.random.default_rng(2).integers(-128, 129, grey.shape)  # rounded away
    fine = np.clip(grey.astype(int) * 257 + noise, 0, 65535)
    data, step = with_padding(rows_16_bit(fine, big_endian), padding, last_row_padded=True)
    image = decode_image(data, height=6, width=8, encoding=deep, step=step, is_bigendian=big_endian)
    expected = decode_image(grey, height=6, width=8, encoding=shallow, step=8 * channels)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('item', ['f4', 'f8'])
def test_floating_depth_is_metres_and_no_reading_is_black(item, big_endian):
    metres = np.array([[0, 5, 10, 40], [np.nan, np.inf, -np.inf, 2]])
    data = metres.astype(('>' if big_endian else '<') + item).tobytes()
    image = decode_image(
        data, height=2, width=4, encoding=f'{8 * int(item[1])}FC1', step=4 * int(item[1]),
        is_bigendian=big_endian,
    )  # fmt: skip
    assert image[..., 0].tolist() == [[0, 128, 255, 255], [0, 255, 0, 51]]


ITEMS = {'8S': 'i1', '16S': '<i2', '32S': '<i4', '32F': '<f4', '64F': '<f8'}
UNAGREED = [f'{kind}C{n}' for kind in ITEMS for n in (1, 3, 4) if ('F' not in kind) or n > 1]


@pytest.mark.parametrize('encoding', UNAGREED)
def test_what_nobody_has_agreed_on_needs_a_range(encoding):
    kind, channels = encoding.split('C')
    pixels = np.array([-100, -50, 0, 50, 100, 127] * int(channels)).astype(ITEMS[kind])
    fields = {
        'data': pixels.tobytes(), 'height': 2, 'width': 3, 'encoding': encoding,
        'step': pixels.nbytes // 2,
    }  # fmt: skip
    with pytest.raises(EevitError, match=f'{encoding} does not say .* set image_range'):
        decode_image(**fields)
    image = decode_image(**fields, values=PixelRange((-100.0, 100.0)))
    shown = np.rint((np.clip(pixels.astype(float), -100, 100) + 100) * 255 / 200 - 1e-3)
    shown = shown.reshape(2, 3, int(channels))
    expected = shown[..., [0, 0, 0]] if channels == '1' else shown[..., 2::-1]
    assert abs(image - expected).max() <= 1  # halves


@pytest.mark.parametrize(
    'encoding', [name for name in SUPPORTED_ENCODINGS if name.upper() != name] + ['8UC', '16UC']
)
def test_names_in_any_case_and_with_blanks_are_known(encoding):
    data = values(0, 18, 240)
    plain = decode_image(data, height=6, width=6, encoding=encoding, step=240)
    for spelling in (encoding.upper(), encoding.title(), f' {encoding} ', f'{encoding}\0\n'):
        image = decode_image(data, height=6, width=6, encoding=spelling, step=240)
        np.testing.assert_array_equal(image, plain)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ['rgb8', 'mono8', 'uyvy'])
def test_without_a_step_the_rows_fill_the_data(encoding, padding):
    row_bytes = 6 * {'rgb8': 3, 'mono8': 1, 'uyvy': 2}[encoding]
    data, step = with_padding(values(0, 4, row_bytes), padding, last_row_padded=True)
    fields = {'data': data, 'height': 4, 'width': 6, 'encoding': encoding}
    np.testing.assert_array_equal(decode_image(**fields, step=0), decode_image(**fields, step=step))


@pytest.mark.parametrize('encoding', ['rgb8', 'mono16', 'yuyv'])
def test_whole_rows_are_read_where_step_counts_pixels(encoding):
    row_bytes = 4 * {'rgb8': 3, 'mono16': 2, 'yuyv': 2}[encoding]
    data = values(0, 6, row_bytes).tobytes()
    fields = {'data': data, 'height': 6, 'width': 4, 'encoding': encoding}
    expected = decode_image(**fields, step=row_bytes)
    np.testing.assert_array_equal(decode_image(**fields, step=4), expected)


@pytest.mark.parametrize(('encoding', 'red'), [('rgb8', 0), ('bgr8', 2), ('8UC3', 2)])
@pytest.mark.parametrize('step', [12, 13, 17])
def test_rgb_and_bgr_are_views_that_cannot_be_drawn_into(encoding, red, step):
    data = array('B', bytes(5 * step))
    image = decode_image(data, height=5, width=4, encoding=encoding, step=step)
    data[step + red] = 77
    assert image[1, 0].tolist() == [77, 0, 0]
    with pytest.raises(ValueError, match='read-only'):
        image[:] = 0


@pytest.mark.parametrize('encoding', sorted(set(SUPPORTED_ENCODINGS) - {'rgb8', 'bgr8', '8UC3'}))
def test_other_encodings_do_not_alias_the_message(encoding):
    data = bytearray(range(96)) * 36
    image = decode_image(
        data, height=6, width=6, encoding=encoding, step=192, values=PixelRange((0.0, 9.0))
    )
    assert not np.shares_memory(image, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, lambda b: array('B', b), 'numpy'])
def test_any_buffer_will_do(kind):
    pixels = values(0, 4, 5, 3)
    data = pixels if kind == 'numpy' else kind(pixels.tobytes())
    image = decode_image(data, height=4, width=5, encoding='bgr8', step=15)
    np.testing.assert_array_equal(image, pixels[..., ::-1])


GOOD = {'data': bytes(48), 'height': 4, 'width': 4, 'encoding': 'rgb8', 'step': 12}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'height': 0}, '4x0 pixels'),
        ({'width': 0}, '0x4 pixels'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1}, 'more than 64000000 in all'),
        ({'step': 0, 'data': bytes(49)}, 'step is 0, but a row of 4 rgb8 pixels has 12 bytes'),
        ({'step': 0, 'data': bytes(44)}, 'step is 11, but a row of 4 rgb8 pixels has 12 bytes'),
        ({'encoding': 'i420', 'step': 5}, 'step of i420 must be even. Got 5'),
        ({'step': 11, 'data': bytes(47)}, 'step is 11, but a row of 4 rgb8 pixels has 12 bytes'),
        ({'step': 2**32 - 1}, 'truncated: 48 bytes'),
        ({'data': b''}, 'truncated: 0 bytes, but 4x4 rgb8 with step 12 needs 48'),
        ({'data': bytes(47)}, 'truncated: 47 bytes'),
        ({'data': [0] * 48}, 'must be contiguous bytes.* Got list'),
        ({'data': np.zeros((48, 2), np.uint8)[:, 0]}, 'must be contiguous bytes.* Got ndarray'),
        (
            {'encoding': 'nv21', 'height': 3},
            r'nv21 must be multiples of 2 and 2. Got \(3, 4\)',
        ),
        (
            {'encoding': 'nv21', 'width': 3},
            r'nv21 must be multiples of 2 and 2. Got \(4, 3\)',
        ),
        (
            {'encoding': 'uyvy', 'width': 3},
            r'uyvy must be multiples of 1 and 2. Got \(4, 3\)',
        ),
        ({'encoding': 'nv21', 'data': bytes(63)}, 'truncated: 63 bytes.*needs 64'),
        (
            {'encoding': 'bayer_rggb8', 'width': 2},
            r'bayer_rggb8 must be 3 or more. Got \(4, 2\)',
        ),
        ({'encoding': ''}, "unknown encoding ''"),
        ({'encoding': 'rgb565'}, "unknown encoding 'rgb565': publish one of rgb8, bgr8, "),
        ({'encoding': 'mono12'}, r'into mono16 and set image_range to \[0, 4095\]'),
        ({'encoding': 'bayer_rggb10'}, r'into bayer_rggb16 and set image_range to \[0, 1023\]'),
        ({'encoding': '32FC2'}, "'32FC2' does not have the channels of a picture"),
    ],
)
def test_malformed_images_are_refused_with_the_value(change, message):
    with pytest.raises(EevitError, match=message):
        decode_image(**{**GOOD, **change})


@no_deadline
@given(
    st.binary(max_size=400),
    st.integers(0, 40) | st.integers(0, 2**32 - 1),
    st.integers(0, 40) | st.integers(0, 2**32 - 1),
    st.sampled_from(SUPPORTED_ENCODINGS) | st.text(max_size=8),
    st.integers(0, 90) | st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_whatever_comes_is_an_image_or_an_eevit_error(
    data, height, width, encoding, step, is_bigendian
):
    try:
        image = decode_image(
            data,
            height=height,
            width=width,
            encoding=encoding,
            step=step,
            is_bigendian=is_bigendian,
        )
    except EevitError:
        return
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8


def message_of(data: bytes, **fields: object) -> object:
    messages = pytest.importorskip('sensor_msgs.msg', reason='sensor_msgs (ROS 2) is not installed')
    message = messages.Image(**fields)
    message.data.frombytes(data)
    return message


def test_a_message_is_read_by_its_fields():
    deep = np.arange(0, 60000, 1000).reshape(6, 10)
    data, step = with_padding(rows_16_bit(deep, big_endian=True), 3, last_row_padded=True)
    message = message_of(data, height=6, width=10, encoding='mono16', step=step, is_bigendian=1)
    np.testing.assert_array_equal(decode_image_message(message)[..., 1], (deep + 128) // 257)


@pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is not None, reason='cv_bridge is installed'
)
def test_without_cv_bridge_other_encodings_are_refused():
    message = message_of(bytes(96), height=4, width=4, encoding='rgb565', step=24)
    with pytest.raises(EevitError, match=r"unknown encoding 'rgb565'.*install cv_bridge"):
        decode_image_message(message)


@pytest.mark.parametrize('error', ['AttributeError("_ARRAY_API not found")', 'SystemError(1)'])
def test_a_cv_bridge_that_cannot_be_loaded_is_told(error, tmp_path, monkeypatch):
    (tmp_path / 'cv_bridge.py').write_text(f'raise {error}')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'cv_bridge', raising=False)
    message = message_of(bytes(96), height=4, width=4, encoding='rgb565', step=24)
    with pytest.raises(EevitError, match=f'unknown encoding.*{error.split("(")[0]}.*numpy<2'):
        decode_image_message(message)
    message.encoding = '32FC2'  # which it could not read either
    with pytest.raises(EevitError, match='does not have the channels of a picture(?!.*numpy)'):
        decode_image_message(message)


@pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is None, reason='cv_bridge (ROS 2) is not installed'
)
def test_what_cv_bridge_cannot_read_either_is_told():
    message = message_of(bytes(96), height=4, width=4, encoding='rgb565', step=24)
    with pytest.raises(EevitError, match='cv_bridge cannot read it either'):
        decode_image_message(message)
