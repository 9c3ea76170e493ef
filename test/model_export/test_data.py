"""Data sets: both forms on disk, the split, the training crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eevit_ros.images import ResizeRule, resize
from model_export.data import (
    Dataset,
    check_classes,
    evaluation_batch,
    fingerprint,
    load_split,
    split_held_out,
    training_batch,
)
from model_export.errors import ModelExportError
from model_export.recipe import StageRecipe


def png(colour: tuple[int, int, int], size: tuple[int, int] = (32, 32)) -> bytes:
    image = np.full((*size, 3), colour[::-1], np.uint8)
    return cv2.imencode('.png', image)[1].tobytes()


def write_parquet(path: Path, images: list[bytes], labels: list[int], names: bytes = b'') -> None:
    rows = [{'bytes': image, 'path': None} for image in images]
    table = pa.table({'img': rows, 'fine_label': labels})
    if names:
        features = b'{"info": {"features": {"fine_label": {"names": [%s]}}}}' % names
        table = table.replace_schema_metadata({b'huggingface': features})
    pq.write_table(table, path)


def test_parquet_of_the_public_set(tmp_path: Path) -> None:
    for shard in range(2):
        path = tmp_path / f'train-0000{shard}-of-00002.parquet'
        write_parquet(path, [png((200, 10 * shard, 0))] * 3, [shard] * 3, b'"apple", "bear"')
    data = load_split(tmp_path, 'train', 84)
    assert data.class_names == ('apple', 'bear')
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.images.shape == (6, 32, 32, 3)
    assert data.images[5, 0, 0].tolist() == [200, 10, 0]  # RGB


def test_parquet_without_names_numbers_the_classes(tmp_path: Path) -> None:
    write_parquet(tmp_path / 'train-0.parquet', [png((1, 1, 1))] * 2, [0, 2])
    assert load_split(tmp_path, 'train', 24).class_names == ('0', '1', '2')


def test_parquet_images_of_many_sizes_are_made_one_size(tmp_path: Path) -> None:
    images = [png((9, 9, 9), size) for size in ((30, 50), (32, 32))]
    write_parquet(tmp_path / 'train-0.parquet', images, [0, 1])
    assert load_split(tmp_path, 'train', 24).images.shape == (2, 24, 24, 3)


def test_parquet_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / 'train-0.parquet', [png((1, 1, 1))] * 2, [0, 2], b'"ant", "bee"')
    with pytest.raises(ModelExportError, match='labels must be 0 to 1. Got 0 to 2'):
        load_split(tmp_path, 'train', 24)


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    for name, colour in (('cat', (1, 2, 3)), ('ant', (7, 8, 9))):
        folder = tmp_path / 'test' / name
        folder.mkdir(parents=True)
        (folder / '0.png').write_bytes(png(colour, (30, 50)))
    data = load_split(tmp_path, 'test', 24)
    assert data.class_names == ('ant', 'cat')
    assert data.images.shape == (2, 24, 24, 3)
    assert data.images[0, 5, 5].tolist() == [7, 8, 9]


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match=r'no data in .*expected train-\*\.parquet'):
        load_split(tmp_path, 'train', 24)
    (tmp_path / 'train').mkdir()
    with pytest.raises(ModelExportError, match='no class folders with images'):
        load_split(tmp_path, 'train', 24)
    cat = tmp_path / 'train' / 'cat'
    cat.mkdir()
    with pytest.raises(ModelExportError, match='cat is empty: remove it'):
        load_split(tmp_path, 'train', 24)
    for content in ('no image', ''):
        (cat / 'readme.txt').write_text(content)
        with pytest.raises(ModelExportError, match=r'readme\.txt.*cannot be decoded'):
            load_split(tmp_path, 'train', 24)
    (cat / 'kittens').mkdir()
    with pytest.raises(ModelExportError, match='cannot read image .*kittens: Is a directory'):
        load_split(tmp_path, 'train', 24)
    (tmp_path / 'test-0.parquet').write_bytes(b'PAR1 but not really')
    with pytest.raises(ModelExportError, match=r'cannot read .*test-0\.parquet'):
        load_split(tmp_path, 'test', 24)


def test_what_tools_leave_in_a_folder_is_no_class(tmp_path: Path) -> None:
    for name in ('ant', '.ipynb_checkpoints'):
        (tmp_path / 'train' / name).mkdir(parents=True)
        (tmp_path / 'train' / name / '0.png').write_bytes(png((1, 2, 3)))
    (tmp_path / 'train' / 'ant' / '.DS_Store').write_bytes(b'no image')
    data = load_split(tmp_path, 'train', 24)
    assert data.class_names == ('ant',) and len(data) == 1


def test_labels_that_mean_other_classes_are_refused(colours: Dataset) -> None:
    where = Path('photos')
    check_classes(colours, ('dark', 'red', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match=r"photos .*missing \['grey'\], unknown \['dark'\]"):
        check_classes(colours, ('grey', 'red', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match='another order'):
        check_classes(colours, ('red', 'dark', 'green', 'blue'), where)
    with pytest.raises(ModelExportError, match=r"missing \['white'\]"):
        check_classes(colours, ('dark', 'red', 'green', 'blue', 'white'), where)
    numbered = Dataset(colours.images, colours.labels, ('0', '1', '2', '3'))
    check_classes(numbered, ('0', '1', '2', '3', '4'), where)  # the last class has no test image
    with pytest.raises(ModelExportError, match=r"unknown \['3'\]"):
        check_classes(numbered, ('0', '1', '2'), where)


def test_the_fingerprint_changes_with_labels_and_names(colours: Dataset) -> None:
    same = Dataset(colours.images // 2, colours.labels.copy(), colours.class_names)
    assert fingerprint(same) == fingerprint(colours)
    renamed = Dataset(colours.images, colours.labels, ('a', 'b', 'c', 'd'))
    swapped = Dataset(colours.images, colours.labels[::-1].copy(), colours.class_names)
    fewer = colours.subset(np.arange(239))
    assert len({fingerprint(data) for data in (colours, renamed, swapped, fewer)}) == 4


def test_the_split_is_even_disjoint_and_repeatable(colours: Dataset) -> None:
    rest, held_out = split_held_out(colours, 40, seed=3)
    assert np.bincount(held_out.labels).tolist() == [10] * 4
    assert len(rest) == 200
    rows = {image.tobytes() for image in rest.images}
    assert not rows & {image.tobytes() for image in held_out.images}
    again = split_held_out(colours, 40, seed=3)[1]
    np.testing.assert_array_equal(held_out.images, again.images)
    assert not np.array_equal(held_out.images, split_held_out(colours, 40, seed=4)[1].images)


@pytest.mark.parametrize('count', [42, 0, -4])
def test_an_uneven_or_empty_split_is_refused(colours: Dataset, count: int) -> None:
    with pytest.raises(ModelExportError, match=f'held_out must be .* Got {count}'):
        split_held_out(colours, count, seed=0)


def test_a_class_with_too_few_images_to_hold_out_is_named(colours: Dataset) -> None:
    few = colours.subset(np.flatnonzero((colours.labels != 2) | (np.arange(240) < 20)))
    with pytest.raises(ModelExportError, match="5 images of each class.* 'green' has 5"):
        split_held_out(few, 20, seed=0)
    rest, _ = split_held_out(few, 16, seed=0)
    assert np.bincount(rest.labels).tolist() == [56, 56, 1, 56]


def test_training_crops_are_repeatable_and_stay_in_the_image(colours: Dataset) -> None:
    recipe = StageRecipe(min_crop=0.6)
    batch = training_batch(colours.images[:8], 24, recipe, np.random.default_rng(5))
    again = training_batch(colours.images[:8], 24, recipe, np.random.default_rng(5))
    np.testing.assert_array_equal(batch, again)
    assert batch.shape == (8, 24, 24, 3)
    for image, crop in zip(
        colours.images[:8], batch, strict=True
    ):  # the mirrored border adds no new colours
        assert crop.min() >= image.min() and crop.max() <= image.max()


def test_evaluation_resizes_as_the_robot_does() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (1, 40, 60, 3), np.uint8)
    batch = evaluation_batch(wide, 12)[0]
    np.testing.assert_array_equal(batch, resize(wide[0], 12, 12, ResizeRule()))
    for other in (ResizeRule('stretch'), ResizeRule(antialias=False)):
        assert not np.array_equal(batch, resize(wide[0], 12, 12, other))
