"""CIFAR-10, CIFAR-100, MNIST and Fashion-MNIST in the files they were published in."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model_export.data.dataset import Dataset
from model_export.data.squares import to_squares
from model_export.errors import ModelExportError

Bytes = npt.NDArray[np.uint8]

_CIFAR10 = {
    'train': tuple(f'data_batch_{number}.bin' for number in range(1, 6)),
    'test': ('test_batch.bin',),
}
_IDX = {'train': 'train', 'test': 't10k'}

_FASHION = (
    'T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag',
    'Ankle boot',
)  # fmt: skip
# MNIST and Fashion-MNIST have the same file names; their first labels differ.
_FASHION_BEGINS = {
    'train': [9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9],
    'test': [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1],
}


def load_original(folder: Path, split: str, image_size: int) -> Dataset | None:
    """Load `split` ('train' or 'test') of such a set; return None if `folder` holds none.

    Reads the binary version of CIFAR-10 (`data_batch_1.bin`) and CIFAR-100 (`train.bin`, with
    its 100 fine classes), and the idx files of MNIST and Fashion-MNIST, compressed or not
    (`train-images-idx3-ubyte.gz`). Grey becomes RGB.

    Raises:
        ModelExportError: Files are missing or damaged, or are the python version of CIFAR.
    """
    if (folder / _CIFAR10['train'][0]).exists():
        images, labels = _cifar([folder / name for name in _CIFAR10[split]], label_bytes=1)
        names = _names(folder / 'batches.meta.txt')
    elif (folder / 'train.bin').exists():
        images, labels = _cifar([folder / f'{split}.bin'], label_bytes=2)
        names = _names(folder / 'fine_label_names.txt')
    elif any(_idx_path(folder, f'{name}-images-idx3-ubyte') for name in _IDX.values()):
        images = _read_idx(folder, f'{_IDX[split]}-images-idx3-ubyte', dimensions=3)
        images = np.repeat(images[..., None], 3, axis=3)
        labels = _read_idx(folder, f'{_IDX[split]}-labels-idx1-ubyte', dimensions=1)
        fashion = labels[:16].tolist() == _FASHION_BEGINS[split]
        names = _FASHION if fashion else tuple(str(digit) for digit in range(10))
    elif (folder / 'data_batch_1').is_file() or (folder / 'meta').is_file():
        raise ModelExportError(
            f'{folder} holds the python version of CIFAR, pickles, which can run code: '
            f'use the binary version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)'
        )
    else:
        return None
    if not 0 < len(images) == len(labels):
        raise ModelExportError(
            f'{folder} holds {len(images)} images and {len(labels)} labels for {split}: unpack it '
            f'again'
        )
    if labels.max() >= len(names):
        raise ModelExportError(
            f'{folder}: labels must be 0 to {len(names) - 1}. Got {labels.max()}: unpack it again'
        )
    squares = to_squares(images, len(images), image_size)
    return Dataset(squares, labels.astype(np.int64), names)


def _cifar(paths: list[Path], label_bytes: int) -> tuple[Bytes, Bytes]:
    """Read records of labels and colour planes: images (N, 32, 32, 3), labels (N,)."""
    size = label_bytes + 3 * 32 * 32
    records = []
    for path in paths:
        data = np.frombuffer(_read(path), np.uint8)
        if not data.size or data.size % size:
            raise ModelExportError(
                f'{path} has {data.size} bytes, which is no multiple of {size}: it is damaged, '
                f'unpack it again'
            )
        records.append(data.reshape(-1, size))
    all_records = np.concatenate(records)
    images = all_records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, all_records[:, label_bytes - 1]


def _names(path: Path) -> tuple[str, ...]:
    return tuple(_read(path).decode(errors='replace').split())


def _idx_path(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / name, folder / f'{name}.gz') if p.exists()), None)


def _read_idx(folder: Path, name: str, dimensions: int) -> Bytes:
    """Read unsigned bytes of any shape: magic number, shape as big-endian int32, values."""
    path = _idx_path(folder, name) or folder / f'{name}.gz'
    data = _read(path)
    at = 4 + 4 * dimensions
    magic, *shape = np.frombuffer(data[:at].ljust(at, b'\xff'), '>i4').tolist()
    if magic != 0x0800 + dimensions or min(shape) < 1:
        raise ModelExportError(f'{path} does not begin as an idx file does: unpack it again')
    body = np.frombuffer(data, np.uint8)[at:]
    if body.size != np.prod(shape, dtype=np.int64):
        raise ModelExportError(
            f'{path} has {body.size} bytes for the shape {tuple(shape)}: it is damaged, '
            f'unpack it again'
        )
    return body.reshape(shape)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == '.gz' else data
    except (OSError, EOFError, zlib.error) as err:
        raise ModelExportError(f'cannot read {path}: {err}') from err
