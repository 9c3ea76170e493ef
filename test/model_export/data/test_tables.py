"""Parquet and Arrow files as `datasets` writes them, and which columns are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_export.data import load_split
from model_export.errors import ModelExportError
from test.model_export.data.image_files import png

IMAGE = {'_type': 'Image'}
CLASSES = {'_type': 'ClassLabel', 'names': ['ant', 'bee']}


def cells(*images: bytes | None) -> list[dict[str, Any]]:
    return [{'bytes': image, 'path': None} for image in images]


def numbered(count: int, first: int = 0) -> list[dict[str, Any]]:
    return cells(*(png((200, 10, number)) for number in range(first, first + count)))


def table(features: dict[str, Any] | None = None, **columns: Any) -> pa.Table:
    made = pa.table(columns)
    if features is None:
        return made
    info = json.dumps({'info': {'features': features}}).encode()
    return made.replace_schema_metadata({b'huggingface': info})


def write_stream(path: Path, made: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), 'wb') as sink, pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=2)


def write_saved(folder: Path, made: pa.Table, split: str | None = None) -> None:
    """As Dataset.save_to_disk writes two shards."""
    half = len(made) // 2
    files = [{'filename': f'data-0000{i}-of-00002.arrow'} for i in range(2)]
    for entry, part in zip(files, (made[:half], made[half:]), strict=True):
        write_stream(folder / entry['filename'], part)
    (folder / 'state.json').write_text(json.dumps({'_data_files': files, '_split': split}))


def test_parquet_of_the_public_set(tmp_path: Path) -> None:
    features = {'img': IMAGE, 'fine_label': CLASSES, 'coarse_label': CLASSES}
    for shard in range(2):
        made = table(features, img=numbered(3), fine_label=[shard] * 3, coarse_label=[0] * 3)
        pq.write_table(made, tmp_path / f'train-0000{shard}-of-00002.parquet')
    data = load_split(tmp_path, 'train', 84)
    assert data.class_names == ('ant', 'bee')
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [x.shape for x in data.images] == [(32, 32, 3)] * 6
    assert [x[0, 0].tolist() for x in data.images] == [
        [200, 10, i] for i in (0, 1, 2, 0, 1, 2)
    ]  # RGB
    assert load_split(Path(f'{tmp_path}:coarse_label'), 'train', 84).labels.tolist() == [0] * 6
    (tmp_path / 'train-00000-of-00002.parquet').unlink()
    with pytest.raises(ModelExportError, match=r'holds 1 files of a set with 2: .*00001-of-00002'):
        load_split(tmp_path, 'train', 84)


def test_parts_with_other_classes_are_refused(tmp_path: Path) -> None:
    for shard, names in enumerate((['ant', 'bee'], ['bee', 'ant'])):
        features = {'img': IMAGE, 'label': {'_type': 'ClassLabel', 'names': names}}
        made = table(features, img=numbered(2), label=[0, 1])
        pq.write_table(made, tmp_path / f'train-0000{shard}-of-00002.parquet')
    with pytest.raises(ModelExportError, match='00001-of-00002.* has other columns or classes'):
        load_split(tmp_path, 'train', 84)


def test_a_saved_set_has_its_splits_in_folders(tmp_path: Path) -> None:
    made = table({'image': IMAGE, 'label': CLASSES}, image=numbered(7), label=[0, 1] * 3 + [1])
    write_saved(tmp_path / 'train', made)
    write_saved(tmp_path / 'test', made[:3])
    write_stream(tmp_path / 'train' / 'data-00000-of-00001.arrow', made)  # of an earlier save
    data = load_split(tmp_path, 'train', 84)
    assert [int(x[0, 0, 2]) for x in data.images] == list(range(7))
    assert data.labels.tolist() == [0, 1] * 3 + [1] and data.class_names == ('ant', 'bee')
    assert len(load_split(tmp_path, 'test', 84)) == 3
    (tmp_path / 'train' / 'state.json').write_text('{}')
    with pytest.raises(ModelExportError, match=r'state\.json is not as datasets writes it'):
        load_split(tmp_path, 'train', 84)


def test_a_single_saved_split_is_not_taken_for_another(tmp_path: Path) -> None:
    made = table({'image': IMAGE, 'label': CLASSES}, image=numbered(2), label=[0, 1])
    write_saved(tmp_path / 'a', made)
    write_saved(tmp_path / 'b', made, 'test')
    assert len(load_split(tmp_path / 'a', 'train', 84)) == 2
    assert len(load_split(tmp_path / 'b', 'test', 84)) == 2
    for folder, split in (('a', 'test'), ('b', 'train')):
        with pytest.raises(ModelExportError, match=f'one split .* not {split}: save a DatasetDict'):
            load_split(tmp_path / folder, split, 84)


def test_arrow_files_of_both_kinds(tmp_path: Path) -> None:
    made = table(image=numbered(5), label=[0, 1, 2, 1, 0])
    write_stream(tmp_path / 'my_set-train.arrow', made)
    with pa.OSFile(str(tmp_path / 'my_set-test.arrow'), 'wb') as sink:
        with pa.ipc.new_file(sink, made.schema) as writer:
            writer.write_table(made, max_chunksize=2)
    for split in ('train', 'test'):
        data = load_split(tmp_path, split, 84)
        assert [int(x[0, 0, 2]) for x in data.images] == list(range(5))
        assert data.labels.tolist() == [0, 1, 2, 1, 0] and data.class_names == ('0', '1', '2')


def test_parquet_in_a_folder_a_split_and_labels_as_text(tmp_path: Path) -> None:
    (tmp_path / 'validation').mkdir()
    made = table(picture=[png((1, 1, i)) for i in range(3)], label=['dog', 'ant', 'dog'])
    pq.write_table(made, tmp_path / 'validation' / '0000.parquet')
    data = load_split(tmp_path, 'test', 84)
    assert data.class_names == ('ant', 'dog') and data.labels.tolist() == [1, 0, 1]


def test_images_that_lie_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / 'a.png').write_bytes(png((5, 6, 7)))
    made = table(image=[{'bytes': None, 'path': str(tmp_path / 'a.png')}], label=[0])
    write_stream(tmp_path / 'train.arrow', made)
    assert load_split(tmp_path, 'train', 84).images[0][0, 0].tolist() == [5, 6, 7]


def test_columns_that_cannot_be_told_are_listed(tmp_path: Path) -> None:
    features = {'left': IMAGE, 'right': IMAGE, 'kind': CLASSES, 'grip': CLASSES}
    made = table(
        features, left=numbered(2), right=numbered(2, 5), kind=[0, 1], grip=[1, 0], width=[0.1, 2]
    )
    pq.write_table(made, tmp_path / 'train.parquet')
    listed = r'left \(Image\), right \(Image\), kind \(ClassLabel\), .*width \(double\)'
    with pytest.raises(ModelExportError, match=f'2 columns may hold the images.*{listed}.*:COLUMN'):
        load_split(tmp_path, 'train', 84)
    with pytest.raises(ModelExportError, match='2 columns may hold the labels'):
        load_split(Path(f'{tmp_path}:right'), 'train', 84)
    data = load_split(Path(f'{tmp_path}:grip,right'), 'train', 84)
    assert data.labels.tolist() == [1, 0] and data.images[0][0, 0, 2] == 5
    for wanted, problem in (
        ('grips', "no column 'grips'"),
        ('grip,right,width', "'width' holds neither"),
        ('grip,kind,left', '2 columns may hold the labels'),
    ):
        with pytest.raises(ModelExportError, match=f'{problem}.*{listed}'):
            load_split(Path(f'{tmp_path}:{wanted}'), 'train', 84)
    pq.write_table(table(label=[1], text=['no image']), tmp_path / 'train.parquet')
    with pytest.raises(ModelExportError, match='0 columns may hold the images'):
        load_split(tmp_path, 'train', 84)


@pytest.mark.parametrize(
    ('features', 'labels', 'problem'),
    [
        (CLASSES, [0, 2, -1], r'must be 0 to 1\. Got 2 in row 1, .*; 2 of 3 are wrong'),
        (CLASSES, [0, -1, 1], r'must be 0 to 1\. Got -1 in row 1, .*; 1 of 3 are wrong'),
        (CLASSES, [-1, -1, -1], 'no row is labelled, all are -1'),
        (CLASSES, [0, None, 1], '1 of 3 rows have no label'),
        ({'_type': 'Value'}, [0, 2**40, 7], 'labels go up to 1099511627776'),
    ],
)
def test_wrong_labels_are_refused(
    tmp_path: Path, features: dict[str, Any], labels: list[int | None], problem: str
) -> None:
    made = table({'image': IMAGE, 'label': features}, image=numbered(3), label=labels)
    pq.write_table(made, tmp_path / 'test.parquet')
    with pytest.raises(ModelExportError, match=problem):
        load_split(tmp_path, 'test', 84)


def test_wrong_rows_and_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'train.parquet'
    cut = png(size=(64, 64))[:-20]
    pq.write_table(table(image=cells(png(), None, cut), label=[0, 1, 1]), path)
    with pytest.raises(
        ModelExportError,
        match=r'image of row 1 \(from 0\) in .*train\.parquet is empty; .*; 2 of 3',
    ):
        load_split(tmp_path, 'train', 84)
    pq.write_table(table(image=[*numbered(1), None], label=[0, 1]), path)
    with pytest.raises(ModelExportError, match=r'row 1 .* is empty; 1 of 2'):
        load_split(tmp_path, 'train', 84)
    pq.write_table(table(image=numbered(1), label=[0])[:0], path)
    with pytest.raises(ModelExportError, match='holds no images'):
        load_split(tmp_path, 'train', 84)
    path.write_bytes(b'PAR1 but not really')
    with pytest.raises(ModelExportError, match=r'cannot read .*train\.parquet'):
        load_split(tmp_path, 'train', 84)
    path.unlink()
    made = table(image=numbered(4), label=[0, 1, 0, 1])
    write_stream(tmp_path / 'train.arrow', made)
    whole = (tmp_path / 'train.arrow').read_bytes()
    end = sum(len(cell['bytes']) for cell in numbered(2))  # of the first batch's second image
    far = whole.replace(end.to_bytes(4, 'little'), (2**31 - 1).to_bytes(4, 'little'))
    for damaged in (whole[: len(whole) // 2], whole[:100], b'', far):
        (tmp_path / 'train.arrow').write_bytes(damaged)
        with pytest.raises(ModelExportError, match=r'cannot read .*train\.arrow'):
            load_split(tmp_path, 'train', 84)
