"""Image files of all kinds, damaged ones, and how much memory they may take."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from eevit_ros.images.resize import Image
from eevit_ros.recordings.folder import FolderSource
from model_export.data.decode import decode_all
from model_export.errors import ModelExportError
from test.model_export.data.image_files import png

# Upright: red above blue.
PICTURE = np.zeros((16, 24, 3), np.uint8)
PICTURE[:8, :, 0] = 255
PICTURE[8:, :, 2] = 255


def encode(image: np.ndarray, kind: str, mode: str = '', **options: object) -> bytes:
    file = io.BytesIO()
    picture = PIL.Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(file, kind, **options)
    return file.getvalue()


def decode(*files: bytes | Path | None) -> list[Image]:
    return list(decode_all(((f'file {i}', data) for i, data in enumerate(files)), len(files)))


@pytest.mark.parametrize(
    ('kind', 'mode'), [('PNG', 'RGB'), ('PNG', 'RGBA'), ('PNG', 'P'), ('BMP', 'RGB')]
)
def test_lossless_kinds(kind: str, mode: str) -> None:
    np.testing.assert_array_equal(decode(encode(PICTURE, kind, mode))[0], PICTURE)


def test_grey_becomes_rgb_and_16_bits_become_8() -> None:
    grey = np.arange(0, 256, dtype=np.uint8).reshape(16, 16)
    deep = grey.astype(np.uint16) * 257
    for image in decode(encode(grey, 'PNG'), encode(deep, 'PNG')):
        np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize(('orientation', 'turns'), [(1, 0), (3, 2), (6, 1), (8, 3)])
def test_pixels_are_turned_upright_by_exif(orientation: int, turns: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(PICTURE, turns))  # as the sensor of a turned camera
    upright = decode(encode(stored, 'JPEG', exif=exif, quality=95))[0]
    assert np.abs(upright.astype(int) - PICTURE).mean() < 10  # a JPEG blurs the border


def test_files_are_read_from_disk_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / f'{number:03}.png' for number in range(300)]  # more than a batch
    for number, path in enumerate(paths):
        path.write_bytes(png((number % 256, number // 256, 0), (2, 2)))
    values = [int(image[0, 0, 0]) + 256 * int(image[0, 0, 1]) for image in decode(*paths)]
    assert values == list(range(300))


def jpeg_with_thumbnail() -> bytes:
    jpeg = encode(PICTURE, 'JPEG')
    thumbnail = b'\xff\xe1' + (2 + len(jpeg)).to_bytes(2, 'big') + jpeg
    return jpeg[:2] + thumbnail + jpeg[2:]


def test_a_truncated_jpeg_is_refused() -> None:
    whole = jpeg_with_thumbnail()
    assert len(decode(whole, whole + b'trailer of a phone', whole[:2] + b'\xff' + whole[2:])) == 3
    for end in (len(whole) - 60, 900, 30):
        with pytest.raises(ModelExportError, match='file 0 is not decoded: the file .* truncated'):
            decode(whole[:end])


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp', 'a.tiff', 'a.bmp', 'a.ppm'])
@pytest.mark.parametrize('mode', ['RGB', 'L', 'I;16'])
def test_training_and_replay_read_the_same_of_a_photo(name: str, mode: str, tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    options: dict[str, Any] = {'exif': exif} if name[2:] in ('jpg', 'png', 'webp') else {}
    if mode == 'I;16':
        if name[2:] not in ('png', 'tiff'):
            pytest.skip('8 bits')
        picture = PIL.Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 257)
    else:
        picture = PIL.Image.fromarray(PICTURE).convert(mode)
    picture.save(tmp_path / name, **options)
    (frame,) = FolderSource(tmp_path)
    np.testing.assert_array_equal(decode(tmp_path / name)[0], frame.decode())


def test_a_picture_that_would_take_all_memory_is_not_decoded() -> None:
    bomb = bytearray(png())
    bomb[16:24] = (30_000).to_bytes(4, 'big') * 2
    with pytest.raises(ModelExportError, match='file 0 is not decoded: image is 30000x30000 pixel'):
        decode(bytes(bomb))


def test_the_first_bad_file_is_named_and_all_are_counted(tmp_path: Path) -> None:
    cut = png(size=(64, 64))[:-20]
    missing = tmp_path / 'gone.png'
    files = [png(), cut, b'', missing, b'no image at all', None, png()]
    with pytest.raises(
        ModelExportError, match='file 1 is not decoded: .* of 64x64 pixels is truncated.*; 5 of 7'
    ):
        decode(*files)
    with pytest.raises(ModelExportError, match=r'file 0 cannot be read \(No such file'):
        decode(missing)
    for nothing in (b'', None):
        with pytest.raises(ModelExportError, match='file 0 is empty'):
            decode(nothing)
