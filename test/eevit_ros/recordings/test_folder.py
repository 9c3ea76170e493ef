from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from eevit_ros.errors import EevitError
from eevit_ros.images.settings import ImageSettings
from eevit_ros.recordings.errors import RecordingError
from eevit_ros.recordings.open import open_source
from harness.bags import picture_file, pixels


def put(folder, *names: str) -> None:
    """Write one picture a name; its level is its number in the call."""
    for level, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_file(level, 'PNG' if name.lower().endswith('png') else 'JPEG'))


def test_pictures_come_by_number_at_15_hz(tmp_path):
    put(tmp_path, 'f1.png', 'f2.png', 'f10.png', 'f11.PNG', 'g.png')
    source = open_source(tmp_path, None)
    assert (source.name, source.topic, source.frames) == (tmp_path.name, '', 5)
    frames = list(source)
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.decode(), pixels(i))
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.stamp_ns for frame in frames] == [
        1_000_000_000,
        1_066_666_667,
        1_133_333_333,
        1_200_000_000,
        1_266_666_667,
    ]
    assert all(frame.received_ns == frame.stamp_ns and frame.truth == '' for frame in frames)
    assert source.problems == []


def test_the_bytes_are_those_of_the_file_and_named_by_what_they_are(tmp_path):
    put(tmp_path, 'a.jpg', 'b.JPEG', 'c.png')
    (tmp_path / 'd.jpg').write_bytes(picture_file(3, 'PNG'))
    frames = list(open_source(tmp_path, None))
    assert [frame.format for frame in frames] == ['jpeg', 'jpeg', 'png', 'png']
    assert frames[1].data == (tmp_path / 'b.JPEG').read_bytes()
    np.testing.assert_array_equal(frames[3].decode(), pixels(3))


@pytest.mark.parametrize('suffix', ['webp', 'TIFF', 'tif', 'bmp', 'ppm'])
def test_pictures_of_other_kinds_are_read(tmp_path, suffix):
    kind = {'tif': 'tiff'}.get(suffix.lower(), suffix.lower())
    options = {'lossless': True} if kind == 'webp' else {}
    Pillow.fromarray(pixels(3)).save(tmp_path / f'a.{suffix}', kind.upper(), **options)
    (frame,) = open_source(tmp_path, None)
    assert frame.format == {'ppm': 'pnm'}.get(kind, kind)
    np.testing.assert_array_equal(frame.decode(), pixels(3))


def test_photos_are_turned_as_exif_says(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: a quarter clockwise makes it upright
    for name in ('a.jpg', 'b.png'):
        Pillow.fromarray(pixels(3)).save(tmp_path / name, exif=exif, quality=100, subsampling=0)
    upright = np.rot90(pixels(3), -1).astype(int)
    for frame in open_source(tmp_path, None):
        assert frame.format == ''  # its bytes alone do not show it so
        assert abs(frame.decode() - upright).max() <= 3


@pytest.mark.parametrize('wanted', [(0.0, 4095.0), 'auto'])
def test_photos_of_12_bits_are_read_in_a_range(tmp_path, wanted):
    deep = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    Pillow.fromarray(deep).save(tmp_path / 'a.png')
    source = open_source(tmp_path, None, ImageSettings(image_range=wanted))
    (frame,) = source
    assert abs(frame.decode()[..., 0] - deep / 4095 * 255).max() <= 6
    assert source.problems == []


def test_photos_of_which_only_the_low_bits_are_used_are_told_once(tmp_path):
    deep = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (48, 1))
    for name in ('a.png', 'b.png'):
        Pillow.fromarray(deep).save(tmp_path / name)
    source = open_source(tmp_path, None)
    for _ in range(2):
        for frame in source:
            frame.decode()
        (problem,) = source.problems
        assert 'only the low 12 bits' in problem


def test_a_sub_folder_is_a_class(tmp_path):
    put(tmp_path, 'dog/1.png', 'cat/2.png', 'cat/10.png', 'maple_tree/1.png')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'labels.csv').write_text('beside')
    source = open_source(tmp_path, None)
    assert [frame.truth for frame in source] == ['cat', 'cat', 'dog', 'maple_tree']
    assert [frame.decode()[5, 5, 1] for frame in source] == [1, 2, 0, 3]
    assert source.problems == []


def test_of_classes_that_were_trained_on_the_test_images_are_played(tmp_path):
    put(tmp_path, 'caf\u00e9/1.png', 'caf\u00e9/2.png', 'dog/1.png')
    listed = tmp_path / 'test_images.txt'
    listed.write_text('# Images for tests\r\ncafe\u0301/2.png\r\ncat/7.png\r\n', newline='')
    source = open_source(tmp_path, None)
    assert source.frames == len(list(source)) == 1 and not source.problems
    listed.write_text('cat/7.png')
    with pytest.raises(RecordingError, match='names no picture that is there'):
        open_source(tmp_path, None)


def test_pictures_are_read_one_by_one(tmp_path):
    put(tmp_path, 'a.png', 'b.png')
    frames = iter(open_source(tmp_path, None))
    assert next(frames).data == picture_file(0)
    (tmp_path / 'b.png').write_bytes(picture_file(7))
    assert next(frames).data == picture_file(7)


def test_a_bad_picture_is_named_and_harms_nothing_else(tmp_path):
    put(tmp_path, 'a.png', 'b.png', 'c.png', 'd.png')
    source = open_source(tmp_path, None)
    (tmp_path / 'b.png').write_bytes(b'')
    (tmp_path / 'c.png').unlink()
    first, empty, gone, last = source
    for frame, reason in (
        (empty, r'b\.png is neither JPEG nor PNG'),
        (gone, r'c\.png cannot'),
    ):
        with pytest.raises(EevitError, match=reason):
            frame.decode()
    np.testing.assert_array_equal(first.decode(), pixels(0))
    np.testing.assert_array_equal(last.decode(), pixels(3))


def test_pictures_of_other_formats_are_not_left_out_in_silence(tmp_path):
    put(tmp_path, 'a.png')
    for name in ('b.gif', 'c.HEIC'):
        (tmp_path / name).write_bytes(b'')
    source = open_source(tmp_path, None)
    assert len(list(source)) == 1
    assert source.problems == [
        f'{tmp_path}: 2 picture(s) skipped, the first is {tmp_path / "b.gif"}: convert them to '
        f'.jpg or .png'
    ]


def test_what_is_a_picture_is_told_by_suffix_or_content(tmp_path):
    put(tmp_path, 'a/1.jfif', 'a/2.JPE', 'a/3', 'a/4.jpg_large')
    for name in ('1.MOV', '2.AAE', 'x.zip'):
        (tmp_path / 'a' / name).write_bytes(b'no picture')
    source = open_source(tmp_path, None)
    assert [frame.format for frame in source] == ['jpeg'] * 4
    (problem,) = source.problems
    assert '1 file(s)' in problem and 'x.zip' in problem


def test_pictures_deeper_than_classes_are_told(tmp_path):
    put(tmp_path, 'a/1.png', 'a/day1/2.png', 'b/3.png')
    source = open_source(tmp_path, None)
    assert len(list(source)) == 2
    (problem,) = source.problems
    assert str(tmp_path / 'a/day1') in problem


def test_hidden_files_are_not_pictures(tmp_path):
    put(tmp_path, 'a.png', '.thumbnails/a.png', '._a.png')
    source = open_source(tmp_path, None)
    assert [frame.truth for frame in source] == ['']


def test_pictures_beside_classes_are_ambiguous(tmp_path):
    put(tmp_path, 'a.png', 'cat/b.png')
    with pytest.raises(
        RecordingError, match=r'\(a\.png, \.\.\.\) and in sub-folders \(cat/b\.png, '
    ):
        open_source(tmp_path, None)


@pytest.mark.parametrize('name', ['notes.txt', 'train/cat/a.png', 'a.gif'])
def test_a_folder_without_pictures_is_refused(tmp_path, name):
    put(tmp_path, name)
    with pytest.raises(RecordingError, match=rf'{tmp_path} holds no \.jpg, .* file'):
        open_source(tmp_path, None)


def test_a_folder_has_no_topics(tmp_path):
    put(tmp_path, 'a.png')
    with pytest.raises(RecordingError, match='is a folder of pictures, which has no topic /truth'):
        open_source(tmp_path, None).stamped_labels('/truth')
