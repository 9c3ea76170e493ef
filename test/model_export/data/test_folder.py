"""Folders of images, and what people have in them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from model_export.commands.reading_options import add_reading_options, reading_of
from model_export.data import Reading, load_split
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
    assert 'skipped 2 file' in (said := capsys.readouterr().out) and 'README.txt' in said


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
    assert 'warning: 2 test image' in capsys.readouterr().out
    load_split(tmp_path, 'train', 24)
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('wanted', [[0, 4095], 'auto', None])
def test_photos_of_12_bits_are_read_in_a_range(
    tmp_path: Path, wanted: object, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = np.tile(np.linspace(0, 4095, 24).astype(np.uint16), (24, 1))
    for name in ('ant', 'cat'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        PIL.Image.fromarray(deep).save(tmp_path / 'train' / name / 'a.png')
    # As a training keeps it.
    reading = Reading(**json.loads(json.dumps(asdict(Reading(black_white=wanted)))))
    image = next(iter(load_split(tmp_path, 'train', 24, reading).images))
    printed = capsys.readouterr().out
    if wanted is None:
        assert image.max() == 16
        assert 'warning: 2 of 2 images: the images use only the low 12 bits' in printed
    else:
        assert abs(image[..., 0] - deep / 4095 * 255).max() <= 7
        assert 'warning' not in printed


def test_a_range_is_an_option_of_commands() -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_reading_options(parser)
    for text, expected in (('0,4095', (0, 4095)), ('auto', 'auto')):
        assert reading_of(parser.parse_args(['--image-range', text])).black_white == expected
    for text in ('4095', '3,3', 'dark', '1,2,3'):
        with pytest.raises(argparse.ArgumentError, match='must be BLACK,WHITE'):
            parser.parse_args(['--image-range', text])
