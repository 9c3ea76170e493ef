"""Weights at half size: the same model, up to float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from model_export.data import Dataset, fingerprint
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.heads import _NECKS, LocalPerceptionNeck, MeanNeck
from model_export.weights.stored import check_same_data, load_model, save_weights, trained_on
from test.model_export.random_model import CLASSES

DATA = '240 images, labels 0123456789abcdef'


def test_a_saved_model_is_loaded_as_it_was(
    model: EarlyExitViT, images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('model_export.weights.stored.FILE_BYTES', 20_000)
    save_weights(model, CLASSES, DATA, tmp_path)
    assert len(list(tmp_path.iterdir())) > 1
    loaded, names = load_model(tmp_path)
    assert names == CLASSES
    assert trained_on(tmp_path) == (CLASSES, DATA)
    assert all(path.suffix == '.safetensors' for path in tmp_path.iterdir())
    assert loaded.recipe == model.recipe
    torch.testing.assert_close(loaded(images), model(images), atol=0.05, rtol=0.01)


def test_damaged_weights_are_named(model: EarlyExitViT, tmp_path: Path) -> None:
    save_weights(model, CLASSES, DATA, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelExportError, match='cannot read the weights in'):
        load_model(tmp_path)


@pytest.mark.parametrize('extra', [False, True])
def test_an_incomplete_or_mixed_set_of_files_is_refused(
    model: EarlyExitViT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: bool
) -> None:
    monkeypatch.setattr('model_export.weights.stored.FILE_BYTES', 20_000)
    save_weights(model, CLASSES, DATA, tmp_path)
    first = min(tmp_path.iterdir())
    if extra:
        (tmp_path / 'weights-1-of-1.safetensors').write_bytes(first.read_bytes())
    else:
        first.unlink()
    with pytest.raises(ModelExportError, match='must hold exactly'):
        load_model(tmp_path)


def test_nothing_is_saved_over_weights_or_a_run(model: EarlyExitViT, tmp_path: Path) -> None:
    for name in ('weights-1-of-1.safetensors', 'checkpoint.pt'):
        folder = tmp_path / name[:4]
        folder.mkdir()
        (folder / name).write_bytes(b'mine')
        with pytest.raises(ModelExportError, match='already holds weights or a run'):
            save_weights(model, CLASSES, DATA, folder)
        assert [path.read_bytes() for path in folder.iterdir()] == [b'mine']


def test_a_folder_that_cannot_be_written_is_named(model: EarlyExitViT, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(ModelExportError, match='cannot write .*file'):
        save_weights(model, CLASSES, DATA, tmp_path / 'file')
    (tmp_path / 'weights-1-of-1.partial').mkdir()  # as a disk would refuse
    with pytest.raises(ModelExportError, match='cannot write'):
        save_weights(model, CLASSES, DATA, tmp_path)


def test_a_file_of_other_tensors_is_named(model: EarlyExitViT, tmp_path: Path) -> None:
    save_file({'x': torch.zeros(1)}, str(tmp_path / 'weights-1-of-1.safetensors'))
    with pytest.raises(ModelExportError, match=r"not written by save: it lacks \['class_names'"):
        load_model(tmp_path)


def test_weights_of_a_head_that_has_changed_are_refused(
    model: EarlyExitViT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(model, CLASSES, DATA, tmp_path)
    monkeypatch.setitem(_NECKS, 'gah', MeanNeck)
    with pytest.raises(ModelExportError, match="'gah' after layer 3: .*unexpected keyword"):
        load_model(tmp_path)
    monkeypatch.setitem(_NECKS, 'gah', LocalPerceptionWindow)
    with pytest.raises(ModelExportError, match='has the code of a head changed'):
        load_model(tmp_path)


class LocalPerceptionWindow(LocalPerceptionNeck):
    def __init__(self, width: int, grid: int, *, window: int) -> None:
        super().__init__(width, grid)


def test_data_other_than_the_trained_on_is_refused(
    model: EarlyExitViT, colours: Dataset, tmp_path: Path
) -> None:
    save_weights(model, CLASSES, fingerprint(colours), tmp_path)
    check_same_data(tmp_path, colours)
    with pytest.raises(ModelExportError, match='trained on other data .240 images.* now 239'):
        check_same_data(tmp_path, colours.subset(np.arange(239)))
    renamed = Dataset(colours.images, colours.labels, ('dark', 'red', 'green', 'pink'))
    with pytest.raises(ModelExportError, match=r"missing \['blue'\], unknown \['pink'\]"):
        check_same_data(tmp_path, renamed)
