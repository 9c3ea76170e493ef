from __future__ import annotations

import importlib.util
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.images.raw import SUPPORTED_ENCODINGS, decode_image, decode_image_message
from test.eevit_ros.images.encoded_images import (
    BAYER_ENCODINGS,
    CHANNEL_ORDER,
    YUV_ENCODINGS,
    bayer_colors,
    color_rows,
    demosaic_inside,
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
    chroma_rows = half_h if encoding == 'nv21' else height
    y = values(seed, height, width, low=16, high=235)
    u, v = values(seed + 1, 2, chroma_rows, half_w, low=16, high=240)
    data, step = with_padding(yuv_rows(y, u, v, encoding), padding, last_row_padded)
    image = decode_image(data, height=height, width=width, encoding=encoding, step=step)
    assert abs(image - yuv_to_rgb(y, u, v)).max() <= 1.5  # OpenCV calculates in integers


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
    data = bytearray(range(96)) * 4
    image = decode_image(data, height=6, width=6, encoding=encoding, step=24)
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
        ({'step': 0}, 'step is 0, but a row of 4 rgb8 pixels has 12 bytes'),
        ({'step': 11}, 'step is 11, but a row of 4 rgb8 pixels has 12 bytes'),
        ({'step': 2**32 - 1}, 'truncated: 48 bytes'),
        ({'data': b''}, 'truncated: 0 bytes, but 4x4 rgb8 with step 12 needs 48'),
        ({'data': bytes(47)}, 'truncated: 47 bytes'),
        ({'data': [0] * 48}, 'must be contiguous bytes.* Got list'),
        ({'data': np.zeros((48, 2), np.uint8)[:, 0]}, 'must be contiguous bytes.* Got ndarray'),
        (
            {'encoding': 'nv21', 'height': 3},
            r'nv21 must be multiples of \(2, 2\) and .* Got \(3, 4\)',
        ),
        (
            {'encoding': 'nv21', 'width': 3},
            r'nv21 must be multiples of \(2, 2\) and .* Got \(4, 3\)',
        ),
        (
            {'encoding': 'uyvy', 'width': 3},
            r'uyvy must be multiples of \(1, 2\) and .* Got \(4, 3\)',
        ),
        ({'encoding': 'nv21', 'data': bytes(63)}, 'truncated: 63 bytes.*needs 64'),
        (
            {'encoding': 'bayer_rggb8', 'width': 2},
            r'bayer_rggb8 must be .* 3 or more. Got \(4, 2\)',
        ),
        ({'encoding': ''}, "unknown encoding ''"),
        ({'encoding': '32FC1'}, "unknown encoding '32FC1': publish one of rgb8, bgr8, .*cv_bridge"),
        ({'encoding': 'RGB8'}, "unknown encoding 'RGB8'"),
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
    message = message_of(bytes(96), height=4, width=4, encoding='rgb16', step=24)
    with pytest.raises(EevitError, match=r"unknown encoding 'rgb16'.*install cv_bridge"):
        decode_image_message(message)


@pytest.mark.skipif(
    importlib.util.find_spec('cv_bridge') is None, reason='cv_bridge (ROS 2) is not installed'
)
def test_with_cv_bridge_other_encodings_are_read():
    data = (np.arange(48, dtype='<u2') * 257).tobytes()
    message = message_of(data, height=4, width=4, encoding='rgb16', step=24)
    np.testing.assert_array_equal(decode_image_message(message).ravel(), np.arange(48))
    message.step = 25  # which cv_bridge would take for 24
    with pytest.raises(EevitError, match='step 25 is not a whole number of pixels'):
        decode_image_message(message)
    message.encoding = '32FC3'
    with pytest.raises(EevitError, match="cv_bridge cannot read encoding '32FC3'"):
        decode_image_message(message)
