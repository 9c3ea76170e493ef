from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from eevit_ros.errors import EevitError
from eevit_ros.images import jpeg_png as compressed
from eevit_ros.images.raw import decode_compressed, decode_image
from eevit_ros.images.resize import InputSize, ResizeRule, resize
from test.eevit_ros.images.encoded_images import png

no_deadline = settings(deadline=None)  # a busy machine may stall for seconds
JPEG = 'rgb8; jpeg compressed bgr8'
PNG = 'rgb8; png compressed bgr8'
SMALL = InputSize(8, 8, ResizeRule())


def picture(height: int = 48, width: int = 64) -> np.ndarray:
    """Return a smooth RGB image: JPEG decoders differ by little on it."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)]
    return (127.5 + 120 * np.dstack(waves)).astype(np.uint8)


def written(image: Pillow.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(**options: object) -> bytes:
    return written(Pillow.fromarray(picture()), 'JPEG', **options)


def picture_png() -> bytes:
    return written(Pillow.fromarray(picture()), 'PNG')


def read_by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(data)).convert('RGB'))


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'subsampling': 0}])
@pytest.mark.parametrize('label', [JPEG, 'jpeg', PNG, '', 'mono8; jpeg compressed mono8'])
def test_jpeg_is_read_as_others_read_it(mode, options, label):
    data = written(Pillow.fromarray(picture()).convert(mode), 'JPEG', quality=90, **options)
    image = decode_compressed(data, label)
    assert image.dtype == np.uint8
    assert abs(image.astype(int) - read_by_pillow(data)).max() <= 3


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'L', 'LA', 'P', '1'])
@pytest.mark.parametrize('label', [PNG, 'png', JPEG])
def test_png_is_read_exactly(mode, label):
    source = Pillow.fromarray(picture())
    if mode in ('RGBA', 'LA'):
        source.putalpha(Pillow.fromarray(picture()[..., 0]))
    data = written(source.convert(mode), 'PNG')
    np.testing.assert_array_equal(decode_compressed(data, label), read_by_pillow(data))


@pytest.mark.parametrize(('color_type', 'channels'), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_becomes_8_bit_rgb(color_type, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 5, channels)).astype('>u2')
    data = png(deep.view(np.uint8).reshape(6, -1), 5, 6, bits=16, color_type=color_type)
    color = deep[..., :3] if channels > 2 else deep[..., :1].repeat(3, axis=2)
    np.testing.assert_array_equal(decode_compressed(data, PNG), (color.astype(int) + 128) // 257)


def test_depth_in_a_png_means_what_it_means_uncompressed():
    depth = np.arange(0, 12000, 200).astype('>u2').reshape(6, 10)
    data = png(depth.view(np.uint8), 10, 6, bits=16, color_type=0)
    np.testing.assert_array_equal(
        decode_compressed(data, '16UC1; png compressed '),
        decode_image(depth, height=6, width=10, encoding='16UC1', step=20, is_bigendian=True),
    )


def test_a_bayer_mosaic_in_a_png_becomes_color_and_in_a_jpeg_is_grey():
    mosaic = picture()[..., 0].copy()
    data = written(Pillow.fromarray(mosaic), 'PNG')
    np.testing.assert_array_equal(
        decode_compressed(data, 'bayer_grbg8; png compressed '),
        decode_image(mosaic, height=48, width=64, encoding='bayer_grbg8', step=64),
    )
    data = written(Pillow.fromarray(mosaic), 'JPEG')
    image = decode_compressed(data, 'bayer_grbg8; jpeg compressed mono8')
    assert (image[..., 0] == image[..., 2]).all()


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_exif_orientation_is_ignored(kind):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    data = written(Pillow.fromarray(picture()), kind, exif=exif)
    assert decode_compressed(data, kind).shape == (48, 64, 3)
    assert abs(decode_compressed(data, kind).astype(int) - read_by_pillow(data)).max() <= 3


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
@pytest.mark.parametrize('options', [{}, {'progressive': True}, {'subsampling': 0}])
@pytest.mark.parametrize(
    ('size', 'by'), [((48, 64), 1), ((128, 192), 2), ((320, 256), 4), ((512, 512), 8)]
)
def test_a_large_jpeg_is_reduced_and_shows_the_same(mode, options, size, by):
    source = Pillow.fromarray(picture(*size)).convert(mode)
    data = written(source, 'JPEG', quality=95, **options)
    reduced = decode_compressed(data, JPEG, SMALL)
    assert reduced.shape == (size[0] // by, size[1] // by, 3)
    small, whole = (resize(x, 8, 8, SMALL.rule) for x in (reduced, decode_compressed(data, JPEG)))
    assert abs(small.astype(int) - whole).max() <= 2


def test_a_reduced_jpeg_is_not_turned_by_its_exif_orientation():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    data = written(Pillow.fromarray(picture(160, 128)), 'JPEG', exif=exif)
    assert decode_compressed(data, JPEG, SMALL).shape == (80, 64, 3)


def test_a_png_is_never_reduced():
    data = written(Pillow.fromarray(picture(160, 128)), 'PNG')
    np.testing.assert_array_equal(decode_compressed(data, PNG, SMALL), picture(160, 128))


def test_a_jpeg_to_be_reduced_is_checked_as_any_other():
    data = written(Pillow.fromarray(picture(160, 128)), 'JPEG')
    with pytest.raises(EevitError, match='128x160 pixels is truncated'):
        decode_compressed(data[:-200], JPEG, SMALL)
    frame = data.index(b'\xff\xc0')
    huge = data[: frame + 5] + struct.pack('>HH', 65528, 65528) + data[frame + 9 :]
    with pytest.raises(EevitError, match='image is 65528x65528 pixels'):
        decode_compressed(huge, JPEG, SMALL)


def with_thumbnail() -> bytes:
    """Return a JPEG whose header holds another one, with an end marker of its own."""
    return jpeg(exif=b'Exif\0\0' + jpeg(quality=30))


@no_deadline
@given(st.data(), st.sampled_from(['jpeg', 'progressive', 'thumbnail', 'png']))
def test_a_file_cut_anywhere_is_refused(data, kind):
    whole = {
        'jpeg': jpeg(),
        'progressive': jpeg(progressive=True),
        'thumbnail': with_thumbnail(),
        'png': picture_png(),
    }[kind]
    assert decode_compressed(whole, kind).shape == (48, 64, 3)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(EevitError, match=r"compressed image \(format '.*'\)"):
        decode_compressed(whole[:length], kind)


@pytest.mark.parametrize('write', [jpeg, with_thumbnail, picture_png])
def test_a_truncated_file_is_called_so(write):
    with pytest.raises(EevitError, match=r'64x48 pixels is truncated: \d+ bytes without an end'):
        decode_compressed(write()[:-200], JPEG)


@pytest.mark.parametrize('tail', [b'\0' * 100, b'\xff', b'garbage'])
def test_bytes_behind_the_end_do_no_harm(tail):
    np.testing.assert_array_equal(
        decode_compressed(jpeg() + tail, JPEG), decode_compressed(jpeg(), JPEG)
    )


@pytest.mark.parametrize('size', [(65535, 65535), (0, 64), (48, 0)])
def test_jpeg_headers_with_absurd_sizes_are_refused(size):
    data = jpeg()
    frame = data.index(b'\xff\xc0')
    data = data[: frame + 5] + struct.pack('>HH', *size) + data[frame + 9 :]
    with pytest.raises(EevitError, match=f'image is {size[1]}x{size[0]} pixels'):
        decode_compressed(data, JPEG)


@pytest.mark.parametrize('size', [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 64)])
def test_png_headers_with_absurd_sizes_are_refused(size):
    data = png(np.zeros((1, 3), np.uint8), size[1], size[0], bits=8, color_type=2)
    with pytest.raises(EevitError, match=f'image is {size[1]}x{size[0]} pixels'):
        decode_compressed(data, PNG)


def test_no_header_is_read_of_more_bytes_than_a_picture_can_have(monkeypatch):
    data = jpeg()
    monkeypatch.setattr(compressed, 'MAX_BYTES', len(data))
    assert decode_compressed(data, JPEG).ndim == 3
    monkeypatch.setattr(compressed, 'MAX_BYTES', len(data) - 1)
    with pytest.raises(EevitError, match=f'has {len(data)} bytes, more than {len(data) - 1}'):
        decode_compressed(data, JPEG)


def test_a_width_that_opencv_refuses_is_refused():
    data = png(np.zeros((1, 6_000_000), np.uint8), 2_000_000, 1, bits=8, color_type=2)
    with pytest.raises(EevitError, match='2000000x1 pixels, .* OpenCV'):
        decode_compressed(data, PNG)


def test_a_png_chunk_that_claims_to_be_huge_is_refused():
    data = bytearray(picture_png())
    at = data.index(b'IDAT') - 4
    data[at] = 0x7F  # about 2 GB
    with pytest.raises(EevitError, match='is truncated'):
        decode_compressed(data, PNG)


def test_a_png_that_lost_bytes_inside_is_refused():
    data = bytearray(picture_png())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(EevitError, match='64x48 pixels, .* is corrupt'):
        decode_compressed(data, PNG)


@pytest.mark.parametrize(
    ('data', 'label', 'message'),
    [
        (b'', 'jpeg', 'neither JPEG nor PNG: it has 0 bytes'),
        (b'\0' * 50, '16UC1; compressedDepth png', 'compressedDepth transport.*raw topic'),
        (b'RIFF\x10\0\0\0WEBPVP8 ', 'webp', r'neither JPEG nor PNG: .* starts with \[52 49 46 46'),
        ([1, 2], 'jpeg', 'must be contiguous bytes.* Got list'),
    ],
)
def test_what_is_not_an_image_is_refused(data, label, message):
    with pytest.raises(EevitError, match=message):
        decode_compressed(data, label)


@no_deadline
@given(
    st.sampled_from([b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n']),
    st.binary(max_size=80),
    st.text(max_size=10),
)
def test_arbitrary_bytes_are_refused(magic, data, label):
    with pytest.raises(EevitError):
        decode_compressed(magic + data, label)


@no_deadline
@given(st.data(), st.sampled_from(['JPEG', 'PNG']))
def test_damaged_files_are_an_image_or_an_eevit_error(data, kind):
    damaged = bytearray(written(Pillow.fromarray(picture(16, 16)), kind))
    size_at = damaged.index(b'\xff\xc0') + 5 if kind == 'JPEG' else 16
    sizes = range(size_at, size_at + 8)  # left alone: up to 64 Mpixel are allowed, and slow
    places = st.integers(0, len(damaged) - 1).filter(lambda at: at not in sizes)
    for at in data.draw(st.lists(places, max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        image = decode_compressed(damaged, kind)
    except EevitError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
