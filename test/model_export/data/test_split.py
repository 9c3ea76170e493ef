"""Folders of classes without splits, and what phones, Macs and disks leave in them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from model_export.data import Reading, load_split
from model_export.data.load import make_test_part
from model_export.errors import ModelExportError, UsageError
from test.model_export.data.image_files import png, write_classes

LIST = 'test_images.txt'


def photos(folder: Path, *names: str, count: int = 10) -> None:
    """So many images a class, each of a colour of its own."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            (folder / name / f'{i}.png').write_bytes(png((20 * i, 10, 100 * number)))


def test_a_share_of_each_class_is_set_aside_and_listed(tmp_path: Path) -> None:
    photos(tmp_path, 'ant', 'bee')
    make_test_part(tmp_path, None, 24, Reading())
    lines = (tmp_path / LIST).read_text().splitlines()
    assert '# made by --split 0.2 --group-by burst' in lines
    test, train = load_split(tmp_path, 'test', 24), load_split(tmp_path, 'train', 24)
    assert test.labels.tolist() == [0, 0, 1, 1] and len(train) == 16
    assert sorted(test.names) == lines[2:] and not set(test.names) & set(train.names)
    with pytest.raises(ModelExportError, match='no validation data'):
        load_split(tmp_path, 'validation', 24)


def test_the_list_stays_when_images_are_added_and_tells_those_that_are_gone(tmp_path: Path) -> None:
    photos(tmp_path, 'ant', 'bee')
    make_test_part(tmp_path, 0.3, 24, Reading())
    before = load_split(tmp_path, 'test', 24).names
    (tmp_path / 'ant' / 'new.png').write_bytes(png((1, 99, 3)))
    make_test_part(tmp_path, None, 24, Reading())
    assert load_split(tmp_path, 'test', 24).names == before
    assert 'ant/new.png' in load_split(tmp_path, 'train', 24).names
    (tmp_path / before[0]).unlink()
    with pytest.raises(ModelExportError, match=f'lists 1 .*: {before[0]}'):
        load_split(tmp_path, 'test', 24)


def test_copies_on_both_sides_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path, 'ant', 'bee')
    make_test_part(tmp_path, None, 24, Reading())
    name = load_split(tmp_path, 'test', 24).names[0]
    assert 'warning' not in capsys.readouterr().out
    (tmp_path / 'bee' / 'copy.png').write_bytes((tmp_path / name).read_bytes())
    load_split(tmp_path, 'test', 24)
    assert 'warning: 1 test image' in capsys.readouterr().out


def test_folders_in_classes_are_groups_on_request(tmp_path: Path) -> None:
    for day in ('monday', 'tuesday', 'friday'):
        photos(tmp_path / 'all', f'ant/{day}', f'bee/{day}', count=3)
    with pytest.raises(ModelExportError, match=r'--split 0\.2 .*with --group-by folder'):
        load_split(tmp_path / 'all', 'train', 24)
    by_day = Reading('folder')
    make_test_part(tmp_path / 'all', 0.34, 24, by_day)
    test = load_split(tmp_path / 'all', 'test', 24)
    assert test.groups is not None
    assert len(test) == 6 and len(set(test.groups)) == 2
    train = load_split(tmp_path / 'all', 'train', 24)
    assert not {Path(name).parent for name in train.names} & {Path(x).parent for x in test.names}


def test_a_class_that_is_one_burst_is_named(tmp_path: Path) -> None:
    photos(tmp_path, 'ant', 'bee')
    for path in (tmp_path / 'bee').iterdir():
        path.write_bytes(png())
    with pytest.raises(ModelExportError, match="class 'bee' .* single group by 'burst'.*10 images"):
        make_test_part(tmp_path, None, 24, Reading())
    assert not (tmp_path / LIST).exists()


def test_a_split_is_for_classes_alone(tmp_path: Path) -> None:
    write_classes(tmp_path / 'train', 'ant', 'bee')
    make_test_part(tmp_path, None, 24, Reading())  # nothing to do
    with pytest.raises(UsageError, match='holds one folder a class and no splits'):
        make_test_part(tmp_path, 0.2, 24, Reading())
    assert not (tmp_path / LIST).exists()


def test_a_list_may_have_been_edited_elsewhere(tmp_path: Path) -> None:
    composed, split = (unicodedata.normalize(form, 'mürbe') for form in ('NFC', 'NFD'))
    photos(tmp_path, composed, '#1 spaced ')
    listed = [f'{split}/0.png', '#1 spaced /1.png']
    (tmp_path / LIST).write_bytes('\r\n'.join(['# by hand', '', *listed, '']).encode())
    test = load_split(tmp_path, 'test', 24)
    assert test.names == ('#1 spaced /1.png', f'{composed}/0.png')
    assert len(load_split(tmp_path, 'train', 24)) == 18 and test.groups is None


def test_a_folder_around_the_folder_of_classes_is_told(tmp_path: Path) -> None:
    photos(tmp_path / 'outer' / 'photos', 'ant', 'bee')
    with pytest.raises(ModelExportError, match=r'but data in .*photos: give that folder'):
        load_split(tmp_path / 'outer', 'train', 24)


@pytest.mark.parametrize('content', [b'', b'# made by hand\n', b'\xff\xfe'])
def test_a_list_that_lists_nothing_is_refused(content: bytes, tmp_path: Path) -> None:
    photos(tmp_path, 'ant', 'bee')
    (tmp_path / LIST).write_bytes(content)
    with pytest.raises(ModelExportError, match=LIST):
        load_split(tmp_path, 'train', 24)


def test_what_phones_macs_and_windows_leave_is_passed_by(tmp_path: Path) -> None:
    photos(tmp_path, 'ant', 'bee')
    (tmp_path / 'bee' / '9.png').rename(tmp_path / 'bee' / 'IMG_0009.PNG')
    for name in ('._0.png', '.DS_Store', 'Thumbs.db', 'THUMBS.DB', 'desktop.ini', 'IMG_0009.AAE'):
        (tmp_path / 'ant' / name).write_bytes(b'no image')
    photos(tmp_path / 'ant', '@eaDir', '.thumbnails', count=1)
    (tmp_path / '.DS_Store').write_bytes(b'')
    (tmp_path / '._ant').write_bytes(b'')
    make_test_part(tmp_path, None, 24, Reading())
    names = load_split(tmp_path, 'test', 24).names + load_split(tmp_path, 'train', 24).names
    assert len(names) == 20 and 'bee/IMG_0009.PNG' in names


def test_a_name_with_an_accent_is_one_class_however_it_is_written(tmp_path: Path) -> None:
    composed, split = (unicodedata.normalize(form, 'mürbe') for form in ('NFC', 'NFD'))
    assert composed != split
    write_classes(tmp_path / 'train', composed, 'zebra')
    write_classes(tmp_path / 'test', split, 'zebra')
    assert load_split(tmp_path, 'test', 24).class_names == (composed, 'zebra')
    (tmp_path / 'train' / split).mkdir()
    (tmp_path / 'train' / split / 'more.png').write_bytes(png())
    train = load_split(tmp_path, 'train', 24)
    assert train.class_names == (composed, 'zebra') and train.labels.tolist() == [0, 0, 1]


def test_ten_of_all_that_is_wrong_are_named_at_once(tmp_path: Path) -> None:
    photos(tmp_path / 'train', 'ant', 'bee', count=14)
    for i in range(12):
        (tmp_path / 'train' / 'ant' / f'{i}.png').write_bytes(png()[: 20 * (i % 2)])
    with pytest.raises(ModelExportError, match=r'ant/0\.png.*; \.\.\.; 12 of 28 images') as info:
        load_split(tmp_path, 'train', 24)
    assert str(info.value).count('.png') == 10 and '--skip-damaged' in str(info.value)
    (tmp_path / 'train' / 'cat').mkdir()
    (tmp_path / 'train' / 'bee' / 'more').mkdir()
    with pytest.raises(ModelExportError, match=r'more is a folder.*cat holds no images.*12 of 28'):
        load_split(tmp_path, 'train', 24)


def test_damaged_images_are_left_out_on_request(tmp_path: Path) -> None:
    photos(tmp_path / 'train', 'ant', 'bee')
    (tmp_path / 'train' / 'ant' / '0.png').write_bytes(b'')
    data = load_split(tmp_path, 'train', 24, Reading(skip_damaged=True))
    assert data.skipped == 1 and len(data) == len(data.images) == len(data.names) == 19
    assert data.names[0] == 'ant/1.png' and data.labels.tolist() == [0] * 9 + [1] * 10
    assert [int(image[0, 0, 0]) // 20 for image in data.images] == [*range(1, 10), *range(10)]
    for path in (tmp_path / 'train' / 'ant').iterdir():
        path.write_bytes(b'')
    with pytest.raises(ModelExportError, match="no image of class 'ant' can be read"):
        load_split(tmp_path, 'train', 24, Reading(skip_damaged=True))


def test_a_heic_photo_says_what_to_do(tmp_path: Path) -> None:
    photos(tmp_path / 'train', 'ant', 'bee')
    (tmp_path / 'train' / 'ant' / 'IMG_1.HEIC').write_bytes(b'\0\0\0\x18ftypheic' + b'\0' * 40)
    with pytest.raises(ModelExportError, match='HEIC.*convert'):
        load_split(tmp_path, 'train', 24)


def test_photos_train_whatever_their_suffix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path, 'ant', 'bee')
    for i, path in enumerate(sorted(tmp_path.glob('*/*.png'))):
        path.rename(path.with_suffix(('.jfif', '.JPE', '')[i % 3]))
    (tmp_path / 'ant' / '0.MOV').write_bytes(b'a Live Photo')
    (tmp_path / 'ant' / 'x.zip').write_bytes(b'PK')
    make_test_part(tmp_path, None, 24, Reading())
    assert len(load_split(tmp_path, 'test', 24)) + len(load_split(tmp_path, 'train', 24)) == 20
    assert 'skipped 2 file' in capsys.readouterr().out


@pytest.mark.parametrize('odd', ['1²2', '٣', '\udce9', 'a b '])
def test_any_file_name_can_be_set_aside(tmp_path: Path, odd: str) -> None:
    photos(tmp_path, 'ant', 'bee')
    for path in tmp_path.glob('*/*.png'):
        path.rename(path.with_stem(f'{odd}{path.stem}'))
    make_test_part(tmp_path, None, 24, Reading())
    test, train = load_split(tmp_path, 'test', 24), load_split(tmp_path, 'train', 24)
    assert (len(test), len(train)) == (4, 16)


@pytest.mark.parametrize('odd', ['a\n.png', 'a.png\r'])
def test_a_name_that_no_line_can_hold_is_refused(tmp_path: Path, odd: str) -> None:
    photos(tmp_path, 'ant', 'bee', count=2)
    for path in tmp_path.glob('*/*.png'):
        path.rename(path.with_name(path.stem + odd))
    with pytest.raises(ModelExportError, match='rename'):
        make_test_part(tmp_path, 0.5, 24, Reading())
    assert not (tmp_path / LIST).exists()


@pytest.mark.parametrize('names', [('train', 'bus'), ('dev', 'test'), ('Evaluation', 'x')])
def test_a_class_may_have_the_name_of_a_split(tmp_path: Path, names: tuple[str, str]) -> None:
    photos(tmp_path, *names)
    make_test_part(tmp_path, None, 24, Reading())
    assert load_split(tmp_path, 'test', 24).class_names == tuple(sorted(names))
    assert len(load_split(tmp_path, 'train', 24)) == 16
