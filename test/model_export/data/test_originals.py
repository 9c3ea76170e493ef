"""The published files of CIFAR and Fashion-MNIST, here made of random bytes."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest

from model_export.data import load_split
from model_export.errors import ModelExportError

RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), np.uint8)
PLANES = IMAGES.transpose(0, 3, 1, 2).reshape(6, -1)  # red, then green, then blue
LABELS = np.array([3, 0, 9, 1, 1, 7], np.uint8)
TEN = 'airplane automobile bird cat deer dog frog horse ship truck'.split()


def write_cifar10(folder: Path) -> None:
    for number in range(5):
        records = np.column_stack([LABELS, PLANES])[number : number + 1]
        (folder / f'data_batch_{number + 1}.bin').write_bytes(records.tobytes())
    (folder / 'test_batch.bin').write_bytes(np.column_stack([LABELS, PLANES]).tobytes())
    (folder / 'batches.meta.txt').write_text('\n'.join(TEN) + '\n\n')


def write_idx(folder: Path, name: str, values: np.ndarray, compress: bool = True) -> None:
    header = np.array([0x0800 + values.ndim, *values.shape], '>i4').tobytes()
    data = header + values.tobytes()
    path = folder / (name + '.gz' * compress)
    path.write_bytes(gzip.compress(data) if compress else data)


def test_cifar10(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    test = load_split(tmp_path, 'test', 84)
    np.testing.assert_array_equal(list(test.images), IMAGES)
    assert test.labels.tolist() == LABELS.tolist() and test.class_names == tuple(TEN)
    train = load_split(tmp_path, 'train', 84)
    np.testing.assert_array_equal(list(train.images), IMAGES[:5])
    assert [x.shape for x in load_split(tmp_path, 'test', 16).images] == [(16, 16, 3)] * 6


def test_cifar100_has_its_fine_classes(tmp_path: Path) -> None:
    names = [f'class_{number}' for number in range(100)]
    (tmp_path / 'fine_label_names.txt').write_text('\n'.join(names))
    coarse = np.full(6, 5, np.uint8)
    (tmp_path / 'train.bin').write_bytes(np.column_stack([coarse, LABELS, PLANES]).tobytes())
    train = load_split(tmp_path, 'train', 84)
    np.testing.assert_array_equal(list(train.images), IMAGES)
    assert train.labels.tolist() == LABELS.tolist() and train.class_names == tuple(names)
    with pytest.raises(ModelExportError, match=r'cannot read .*test\.bin'):
        load_split(tmp_path, 'test', 84)


@pytest.mark.parametrize('compress', [True, False])
def test_fashion_mnist_is_told_from_mnist_by_its_labels(tmp_path: Path, compress: bool) -> None:
    grey = RNG.integers(0, 256, (16, 28, 28), np.uint8)
    fashion = np.array([9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9], np.uint8)
    for name, labels in (('train', fashion), ('t10k', fashion[::-1].copy())):
        write_idx(tmp_path, f'{name}-images-idx3-ubyte', grey, compress)
        write_idx(tmp_path, f'{name}-labels-idx1-ubyte', labels, compress)
    train = load_split(tmp_path, 'train', 84)
    np.testing.assert_array_equal(list(train.images), np.repeat(grey[..., None], 3, axis=3))
    assert train.labels.tolist() == fashion.tolist()
    assert train.class_names[0] == 'T-shirt/top' and train.class_names[9] == 'Ankle boot'
    assert load_split(tmp_path, 'test', 84).class_names == tuple('0123456789')


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    (tmp_path / 'test_batch.bin').write_bytes(bytes(5000))
    with pytest.raises(ModelExportError, match=r'test_batch\.bin has 5000 bytes, .* of 3073'):
        load_split(tmp_path, 'test', 84)
    (tmp_path / 'data_batch_3.bin').unlink()
    with pytest.raises(ModelExportError, match=r'cannot read .*data_batch_3\.bin'):
        load_split(tmp_path, 'train', 84)
    (tmp_path / 'test_batch.bin').write_bytes(b'\x0a' + bytes(3072))
    with pytest.raises(ModelExportError, match='labels must be 0 to 9. Got 10'):
        load_split(tmp_path, 'test', 84)


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    grey = np.zeros((3, 28, 28), np.uint8)
    write_idx(tmp_path, 't10k-images-idx3-ubyte', grey)
    write_idx(tmp_path, 't10k-labels-idx1-ubyte', LABELS)
    with pytest.raises(ModelExportError, match='3 images and 6 labels for test'):
        load_split(tmp_path, 'test', 84)
    images = tmp_path / 't10k-images-idx3-ubyte.gz'
    whole = images.read_bytes()
    for content, problem in (
        (whole[:-12], 'cannot read'),
        (b'<html>404</html>', 'cannot read'),
        (gzip.compress(gzip.decompress(whole)[:-5]), 'has 2347 bytes for the shape'),
        (gzip.compress(b'\0\0\x08\x01\0\0\0\x03abc'), 'does not begin as an idx file'),
        (gzip.compress(b'\0\0'), 'does not begin as an idx file'),
    ):
        images.write_bytes(content)
        with pytest.raises(ModelExportError, match=problem):
            load_split(tmp_path, 'test', 84)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    for name in ('data_batch_1', 'meta'):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(pickle.dumps({b'labels': [1]}))
        with pytest.raises(ModelExportError, match='pickles, .*: use the binary version'):
            load_split(folder, 'train', 84)
