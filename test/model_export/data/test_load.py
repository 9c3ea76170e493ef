"""Which split of a folder is read, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_export.data import load_split
from model_export.errors import ModelExportError
from test.model_export.data.image_files import write_classes


@pytest.mark.parametrize(('name', 'split'), [('Training', 'train'), ('eval', 'test')])
def test_splits_have_usual_names(tmp_path: Path, name: str, split: str) -> None:
    write_classes(tmp_path / name, 'ant', 'bee')
    assert load_split(tmp_path, split, 24).class_names == ('ant', 'bee')


def test_validation_stands_in_for_a_missing_test_split_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / 'val', 'ant', 'bee')
    assert len(load_split(tmp_path, 'test', 24)) == 2
    assert 'has no test split' in capsys.readouterr().out
    write_classes(tmp_path / 'test', 'ant', 'bee', 'cat')
    assert len(load_split(tmp_path, 'test', 24)) == 3
    assert capsys.readouterr().out == ''
    with pytest.raises(ModelExportError, match='no train data in .*Found test/, val/'):
        load_split(tmp_path, 'train', 24)


def test_a_folder_without_data_is_described(tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match=r'no train data in .*expected .*Found nothing'):
        load_split(tmp_path, 'train', 24)
    for name in 'abcdefghij':
        (tmp_path / name).mkdir()
    with pytest.raises(ModelExportError, match=r'Found a/, b/, .*h/, \.\.\.'):
        load_split(tmp_path, 'test', 24)
    write_classes(tmp_path / 'c' / 'train', 'ant')
    with pytest.raises(ModelExportError, match=r'but data in .*/c: give that folder'):
        load_split(tmp_path, 'train', 24)
    with pytest.raises(ModelExportError, match=r'no data in .*gone: it is not a folder'):
        load_split(tmp_path / 'gone', 'train', 24)


def test_columns_are_refused_where_there_are_none(tmp_path: Path) -> None:
    folder = tmp_path / 'set:2'  # a colon of its own
    write_classes(folder / 'train', 'ant')
    assert len(load_split(folder, 'train', 24)) == 1
    with pytest.raises(ModelExportError, match=r"not columns. Got \('label',\)"):
        load_split(Path(f'{folder}:label'), 'train', 24)
