from __future__ import annotations

import io
import re
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from eevit_ros.errors import EevitError
from eevit_ros.images import picture_file
from eevit_ros.images.compressed import decode_compressed, decode_photo
from eevit_ros.images.pixel_range import PixelRange
from eevit_ros.images.raw import decode_image
from eevit_ros.images.resize import InputSize, ResizeRule, resize
from test.eevit_ros.images.encoded_images import bayer_colors, png

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


def test_a_bayer_mosaic_in_a_png_becomes_color_and_what_a_jpeg_was_converted_to_stays():
    mosaic = picture()[..., 0].copy()
    data = written(Pillow.fromarray(mosaic), 'PNG')
    np.testing.assert_array_equal(
        decode_compressed(data, 'bayer_grbg8; png compressed '),
        decode_image(mosaic, height=48, width=64, encoding='bayer_grbg8', step=64),
    )
    data = written(Pillow.fromarray(mosaic), 'JPEG')
    image = decode_compressed(data, 'bayer_grbg8; jpeg compressed mono8')
    assert (image[..., 0] == image[..., 2]).all()


def test_a_bayer_mosaic_that_became_a_jpeg_unchanged_becomes_color():
    color = np.array([200, 90, 40], np.uint8)
    mosaic = color[bayer_colors(160, 128, 'bayer_rggb8')]
    data = written(Pillow.fromarray(mosaic), 'JPEG', quality=100)
    # As image_transport writes it: of other encodings, what it converted to follows.
    image = decode_compressed(data, 'bayer_rggb8; jpeg compressed ', SMALL)
    assert image.shape == (160, 128, 3)
    assert abs(image.astype(int) - color).max() <= 6


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


FILES = {
    'jpeg': jpeg(),
    'progressive': jpeg(progressive=True),
    'restart markers': jpeg(restart_marker_blocks=2),
    'fine': jpeg(quality=100, subsampling=0),
    'even': written(Pillow.fromarray(np.full((48, 64, 3), 99, np.uint8)), 'JPEG'),
    'grey': written(Pillow.fromarray(picture()).convert('L'), 'JPEG'),
    'thumbnail': with_thumbnail(),
    'png': picture_png(),
    'webp': written(Pillow.fromarray(picture()), 'WEBP', lossless=True),
    'lossy webp': written(Pillow.fromarray(picture()), 'WEBP'),
    'webp with alpha': written(Pillow.fromarray(picture()).convert('RGBA'), 'WEBP', exif=b'Exif'),
    'tiff': written(Pillow.fromarray(picture()), 'TIFF'),
    'packed tiff': written(Pillow.fromarray(picture()), 'TIFF', compression='tiff_lzw'),
    'bmp': written(Pillow.fromarray(picture()), 'BMP'),
    'ppm': written(Pillow.fromarray(picture()), 'PPM'),
    'pgm': written(Pillow.fromarray(picture()).convert('L'), 'PPM'),
}


@no_deadline
@given(st.data(), st.sampled_from(sorted(FILES)))
def test_a_file_cut_anywhere_is_refused_or_shows_the_same(data, kind):
    whole = FILES[kind]
    expected = decode_compressed(whole, kind)
    assert expected.shape == (48, 64, 3)
    length = len(whole) - data.draw(st.integers(1, len(whole)) | st.integers(1, 40))
    try:
        image = decode_compressed(whole[:length], kind)
    except EevitError as err:
        assert f'compressed image (format {kind!r})' in str(err)
        return
    assert length > len(whole) - 20  # what is missing shows nothing
    assert abs(image.astype(int) - expected).max() <= 1


@pytest.mark.parametrize('kind', ['jpeg', 'restart markers', 'thumbnail', 'png', 'tiff', 'webp'])
@pytest.mark.parametrize('share', [0.9, 0.99])
def test_a_truncated_file_is_called_so(kind, share):
    whole = FILES[kind]
    with pytest.raises(EevitError, match=r'64x48 pixels is truncated: \d+ bytes without an end'):
        decode_compressed(whole[: int(len(whole) * share)], JPEG)


@pytest.mark.parametrize(
    'kind', ['jpeg', 'progressive', 'restart markers', 'grey', 'even', 'thumbnail']
)
@pytest.mark.parametrize('tail', [b'', b'\xff', b'\0' * 100, b'\xff' + b'\0' * 9])
@pytest.mark.parametrize('size', [None, SMALL])
def test_a_jpeg_that_lacks_nothing_but_its_end_marker_is_read(kind, tail, size):
    whole = FILES[kind]
    np.testing.assert_array_equal(
        decode_compressed(whole[:-2] + tail, kind, size), decode_compressed(whole, kind, size)
    )


@pytest.mark.parametrize('noise', [0, 4])
@pytest.mark.parametrize('size', [None, SMALL])
def test_a_large_jpeg_without_an_end_marker_is_told_from_a_cut_one(noise, size):
    pixels = picture(480, 640) + np.random.default_rng(0).normal(0, noise, (480, 640, 3))
    whole = written(Pillow.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), 'JPEG')
    expected = decode_compressed(whole, JPEG, size)
    np.testing.assert_array_equal(decode_compressed(whole[:-2], JPEG, size), expected)
    for share in (0.99, 0.5):
        with pytest.raises(EevitError, match='640x480 pixels is truncated'):
            decode_compressed(whole[: int(share * len(whole))], JPEG, size)


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize('options', [{}, {'subsampling': 0}, {'restart_marker_rows': 1}])
@pytest.mark.parametrize('size', [None, SMALL])
def test_a_jpeg_that_lost_data_before_its_end_marker_is_refused(mode, options, size):
    source = Pillow.fromarray(picture(160, 128)).convert(mode)
    whole = written(source, 'JPEG', quality=95, **options)
    for share in (0.9, 0.6):
        with pytest.raises(EevitError, match='of 128x160 pixels, .* is corrupt'):
            decode_compressed(whole[: int(share * len(whole))] + b'\xff\xd9', JPEG, size)


@pytest.mark.parametrize('data', [b'GIF89a' + bytes(20), jpeg()[:300], picture_png()[:-20]])
def test_what_is_wrong_with_a_photo_is_no_fault_of_a_camera(data):
    with pytest.raises(EevitError, match='b.jpg') as caught:
        decode_photo(data, 'b.jpg')
    assert 'camera' not in str(caught.value)


def test_grey_bars_are_not_taken_for_lost_data(capfd):
    letterbox = np.vstack([np.full((32, 64, 3), 128, np.uint8), picture(64, 64)] * 2)[:128]
    data = written(Pillow.fromarray(letterbox), 'JPEG', quality=95)
    assert decode_compressed(data, JPEG).shape == letterbox.shape
    assert capfd.readouterr().err == ''  # libjpeg warns if it is asked for what is not there
    cut = data[: int(0.7 * len(data))] + data[-2:]
    with pytest.raises(EevitError, match='corrupt'):
        decode_compressed(cut, JPEG)


@pytest.mark.parametrize('grey', [127, 128, 129])
def test_an_even_grey_picture_lacks_nothing(grey):
    even = Pillow.fromarray(np.full((48, 64, 3), grey, np.uint8))
    image = decode_compressed(written(even, 'JPEG'), JPEG)
    assert abs(image.astype(int) - grey).max() <= 1


def test_a_jpeg_without_its_last_scans_is_refused():
    whole = FILES['progressive']
    for at in (m.start() for m in re.finditer(b'\xff\xda', whole)):
        with pytest.raises(EevitError, match='is truncated'):
            decode_compressed(whole[:at], JPEG)


def test_a_jpeg_cut_before_a_restart_marker_is_refused():
    whole = FILES['restart markers']
    for marker in list(re.finditer(b'\xff[\xd0-\xd7]', whole))[-9:]:
        for at in marker.span():
            with pytest.raises(EevitError, match='is truncated'):
                decode_compressed(whole[:at], JPEG)


@pytest.mark.parametrize('kind', sorted(set(FILES) - {'jpeg', 'thumbnail', 'png'}))
def test_other_files_are_read_as_others_read_them(kind):
    difference = decode_compressed(FILES[kind], '').astype(int) - read_by_pillow(FILES[kind])
    assert abs(difference).max() <= 3


def in_tiff(pixels: np.ndarray) -> bytes:
    return written(Pillow.fromarray(pixels), 'TIFF')


def test_a_tiff_of_floats_is_depth_in_metres():
    metres = np.array([[0, 2.5], [np.nan, 20]], np.float32)
    assert decode_compressed(in_tiff(metres), '32FC1')[..., 0].tolist() == [[0, 64], [0, 255]]


@pytest.mark.parametrize(
    ('encoding', 'values'), [('mono16', None), ('16UC1', None), ('mono16', (0.0, 4095.0))]
)
@pytest.mark.parametrize('write', [in_tiff, lambda deep: written(Pillow.fromarray(deep), 'PNG')])
def test_16_bits_in_a_file_mean_what_they_mean_raw(encoding, values, write):
    deep = np.arange(0, 12000, 200).astype('<u2').reshape(6, 10)
    np.testing.assert_array_equal(
        decode_compressed(write(deep), f'{encoding.upper()}; png', values=PixelRange(values)),
        decode_image(
            deep, height=6, width=10, encoding=encoding, step=20, values=PixelRange(values)
        ),
    )


def compressed_depth(png_file: bytes, scale: float = 0.0, offset: float = 0.0) -> bytes:
    """Return what compressed_depth_image_transport sends: its header, then the file."""
    return struct.pack('<iff', 0, scale, offset) + png_file


@pytest.mark.parametrize(
    'label', ['16UC1; compressedDepth png', '16UC1; compressedDepth', 'compressedDepth', '']
)
def test_compressed_depth_in_millimetres(label):
    depth = np.arange(0, 12000, 200).astype('<u2').reshape(6, 10)
    data = compressed_depth(written(Pillow.fromarray(depth), 'PNG'))
    np.testing.assert_array_equal(
        decode_compressed(data, label),
        decode_image(depth, height=6, width=10, encoding='16UC1', step=20),
    )


def test_compressed_depth_in_metres():
    metres = np.linspace(0.5, 9.9, 60, dtype=np.float32).reshape(6, 10)
    metres[0, :2] = np.nan, 0
    # As the transport writes it with its defaults: depth_max 10, depth_quantization 100.
    scale = 100 * 101.0
    offset = 1 - scale / 10
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = np.where(metres > 0, scale / metres + offset, 0).astype(np.uint16)
    data = compressed_depth(written(Pillow.fromarray(inverse), 'PNG'), scale, offset)
    image = decode_compressed(data, '32FC1; compressedDepth png')
    expected = decode_image(metres, height=6, width=10, encoding='32FC1', step=40)
    assert image[0, :2].tolist() == [[0] * 3] * 2
    assert abs(image.astype(int) - expected).max() <= 3  # 1 % at 10 m


def test_compressed_depth_that_holds_no_png_is_told():
    for data in (b'\0' * 50, compressed_depth(struct.pack('<ii', 640, 480) + bytes(90))):
        with pytest.raises(EevitError, match='compressedDepth transport.* to png, not rvl'):
            decode_compressed(data, '16UC1; compressedDepth rvl')
    with pytest.raises(EevitError, match='must hold a grey PNG of 16 bits. Got uint8'):
        decode_compressed(compressed_depth(picture_png()), '16UC1; compressedDepth png')


ORIENTATIONS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


def with_orientation(kind: str, orientation: int, size: tuple[int, int] = (48, 64)) -> bytes:
    image = Pillow.fromarray(picture(*size))
    if kind == 'TIFF':
        return written(image, kind, tiffinfo={274: orientation})
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {'lossless': True} if kind == 'WEBP' else {'quality': 95}
    return written(image, kind, exif=exif, **options)


@pytest.mark.parametrize('orientation', ORIENTATIONS)
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_photos_are_turned_as_exif_says(kind, orientation):
    data = with_orientation(kind, orientation)
    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data))))
    assert (expected.shape == (64, 48, 3)) == (orientation > 4)
    if kind != 'TIFF':  # all turn it
        np.testing.assert_array_equal(ORIENTATIONS[orientation](read_by_pillow(data)), expected)
    difference = decode_photo(data, 'photo').astype(int) - expected
    assert abs(difference).max() <= 3


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_a_photo_is_reduced_and_turned(orientation):
    size = InputSize(16, 8, ResizeRule())
    data = with_orientation('JPEG', orientation, (160, 128) if orientation <= 4 else (128, 160))
    whole, reduced = decode_photo(data, 'photo'), decode_photo(data, 'photo', size)
    assert whole.shape == (160, 128, 3)
    assert reduced.shape == (160, 128, 3)  # 10 times the height, so not a half
    small = decode_photo(data, 'photo', InputSize(8, 4, ResizeRule()))
    assert small.shape == (80, 64, 3)
    close = resize(whole, 8, 4, ResizeRule()).astype(int) - resize(small, 8, 4, ResizeRule())
    assert abs(close).max() <= 2


@pytest.mark.parametrize(
    'exif', [b'', b'II*\0', b'II*\0\xff\xff\xff\xff', b'MM\0*\0\0\0\x08\xff\xff']
)
def test_a_photo_with_broken_exif_is_read_as_it_is(exif):
    data = jpeg(exif=b'Exif\0\0' + exif)
    np.testing.assert_array_equal(decode_photo(data, 'photo'), decode_compressed(data, ''))


@pytest.mark.parametrize('kind', ['jpeg', 'progressive', 'png', 'webp', 'webp with alpha'])
@pytest.mark.parametrize('label', ['rgb8', 'mono8', 'BGR8', 'uyvy', 'jpeg', ''])
@pytest.mark.parametrize('buffer', ['as long as the file', 'as long as the pixels'])
@pytest.mark.parametrize('said', [(48, 64), (480, 640), (0, 0)])
def test_a_picture_file_in_a_raw_image_is_recognised(kind, label, buffer, said):
    data = FILES[kind]
    if buffer == 'as long as the pixels':  # the driver publishes all of its buffer
        data = data.ljust(said[0] * said[1] * 3, b'\0')
    image = decode_image(data, height=said[0], width=said[1], encoding=label, step=said[1] * 3)
    np.testing.assert_array_equal(image, decode_compressed(FILES[kind], ''))


def test_a_large_jpeg_in_a_raw_image_is_reduced():
    data = written(Pillow.fromarray(picture(160, 128)), 'JPEG')
    image = decode_image(data, height=1, width=1, encoding='rgb8', step=3, size=SMALL)
    assert image.shape == (80, 64, 3)


def test_a_damaged_jpeg_in_a_raw_image_is_told():
    for data in (FILES['jpeg'][:-200], FILES['jpeg'][:100]):
        with pytest.raises(EevitError, match="says 'rgb8' holds a picture file: .* is truncated"):
            decode_image(data.ljust(9216, b'\0'), height=48, width=64, encoding='rgb8', step=192)


@pytest.mark.parametrize(
    'begin', [b'\xff\xd8\xff', b'\xff\xd8\xff\xe0', b'RIFF', b'\xff\xd8\xff' * 9]
)
def test_pixels_that_begin_like_a_file_stay_pixels(begin):
    pixels = bytearray(np.random.default_rng(0).integers(0, 256, 48 * 64 * 3, np.uint8))
    pixels[: len(begin)] = begin
    image = decode_image(pixels, height=48, width=64, encoding='rgb8', step=192)
    assert image.tobytes() == pixels


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


def claiming(kind: str, height: int, width: int) -> bytes:
    """Return a file whose header claims a size."""
    data = bytearray(FILES[kind])
    match kind:
        case 'webp':
            data[21:25] = ((width - 1) | (height - 1) << 14).to_bytes(4, 'little')
        case 'webp with alpha':
            data[24:30] = (width - 1 | (height - 1) << 24).to_bytes(6, 'little')
        case 'lossy webp':
            data[26:30] = struct.pack('<HH', width, height)
        case 'bmp':
            data[18:26] = struct.pack('<ii', width, -height)
        case 'ppm':
            data[:12] = b'P6\n# by hand\n%d %d\n255\n' % (width, height)
        case 'tiff':
            data = bytearray(
                struct.pack('<2sHIH', b'II', 42, 8, 4)
                + struct.pack('<HHII', 256, 4, 1, width)
                + struct.pack('<HHII', 257, 4, 1, height)
                + struct.pack('<HHII', 273, 4, 1, 8)
                + struct.pack('<HHII', 279, 4, 1, 8)
            )
    return bytes(data)


@pytest.mark.parametrize('kind', ['webp', 'webp with alpha', 'lossy webp', 'bmp', 'ppm', 'tiff'])
def test_other_headers_with_absurd_sizes_are_refused(kind):
    with pytest.raises(EevitError, match='image is 16000x15000 pixels, more than'):
        decode_compressed(claiming(kind, 15000, 16000), kind)


@pytest.mark.parametrize('size', [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (0, 64)])
def test_png_headers_with_absurd_sizes_are_refused(size):
    data = png(np.zeros((1, 3), np.uint8), size[1], size[0], bits=8, color_type=2)
    with pytest.raises(EevitError, match=f'image is {size[1]}x{size[0]} pixels'):
        decode_compressed(data, PNG)


def test_no_header_is_read_of_more_bytes_than_a_picture_can_have(monkeypatch):
    data = jpeg()
    monkeypatch.setattr(picture_file, 'MAX_BYTES', len(data))
    assert decode_compressed(data, JPEG).ndim == 3
    monkeypatch.setattr(picture_file, 'MAX_BYTES', len(data) - 1)
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
        (b'', 'jpeg', 'neither JPEG nor PNG.*: it has 0 bytes'),
        (b'RIFF\x10\0\0\0WEBPVP8 ', 'webp', 'no WEBP header within 16 bytes'),
        (b'GIF89a' + bytes(20), 'gif', r'neither JPEG nor PNG.* starts with \[47 49 46 38'),
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
