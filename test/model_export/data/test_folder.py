"""Folders of images, and what people have in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_export.data import load_split
from model_export.errors import ModelExportError
from test.model_export.data.image_files import png, write_classes


def test_classes_are_numbered_by_name(tmp_path: Path) -> None:
    write_classes(tmp_path / 'test', 'cat', 'ant', size=(30, 50))
    data = load_split(tmp_path, 'test', 24)
    assert data.class_names == ('ant', 'cat')
    assert data.labels.tolist() == [0, 1]
    images = np.stack(list(data.images))
    assert images.shape == (2, 24, 24, 3)
    assert images[:, 5, 5].tolist() == [[200, 10, 1], [200, 10, 0]]  # RGB


def test_what_is_no_image_by_its_name_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / 'train', 'ant', '.ipynb_checkpoints', '__MACOSX')
    (tmp_path / 'train' / 'README.txt').write_text('about the set')
    for name in ('.DS_Store', 'README.txt', 'boxes.XML'):
        (tmp_path / 'train' / 'ant' / name).write_text('no image')
    data = load_split(tmp_path, 'train', 24)
    assert data.class_names == ('ant',) and len(data) == 1
    assert 'skipped 2 files' in (said := capsys.readouterr().out) and 'README.txt' in said


def test_links_are_followed(tmp_path: Path) -> None:
    write_classes(tmp_path / 'elsewhere', 'ant', 'bee')
    (tmp_path / 'train').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere' / 'bee' / '1.png').symlink_to(tmp_path / 'elsewhere/ant/0.png')
    (tmp_path / 'elsewhere' / 'cat').symlink_to(tmp_path / 'elsewhere' / 'ant')
    assert [int(x[0, 0, 2]) for x in load_split(tmp_path, 'train', 32).images] == [0, 1, 0, 0]
    (tmp_path / 'elsewhere' / 'bee' / '2.png').symlink_to(tmp_path / 'gone.png')
    with pytest.raises(ModelExportError, match=r'bee/2\.png cannot be read .*1 of 5 images'):
        load_split(tmp_path, 'train', 32)


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    train = tmp_path / 'train'
    train.mkdir()
    with pytest.raises(ModelExportError, match='train holds no class folders with images'):
        load_split(tmp_path, 'train', 24)
    write_classes(train, 'ant')
    (train / 'cat').mkdir()
    (train / 'cat' / 'notes.txt').write_text('nothing yet')
    with pytest.raises(ModelExportError, match='cat holds no images: remove it, here and in'):
        load_split(tmp_path, 'train', 24)
    (train / 'cat' / '0.heic').write_bytes(b'not for OpenCV')
    with pytest.raises(ModelExportError, match=r'0\.heic is damaged, .*; 1 of 2 images'):
        load_split(tmp_path, 'train', 24)
    (train / 'cat' / 'kittens').mkdir()
    with pytest.raises(ModelExportError, match=r'kittens is a folder, but .*cat counts as a class'):
        load_split(tmp_path, 'train', 24)


def test_test_images_that_are_training_images_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / 'train', 'ant', 'bee')
    write_classes(tmp_path / 'test', 'ant', 'bee', 'cat')
    (tmp_path / 'test' / 'bee' / '0.png').write_bytes(png((0, 0, 9)))
    (tmp_path / 'test' / 'bee' / 'of_ant.png').write_bytes(
        (tmp_path / 'train' / 'ant' / '0.png').read_bytes()
    )
    load_split(tmp_path, 'test', 24)
    assert 'warning: 2 test images' in capsys.readouterr().out
    load_split(tmp_path, 'train', 24)
    assert capsys.readouterr().out == ''
