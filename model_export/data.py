"""Labelled images: the CIFAR-100 parquet set, or a folder with one sub-folder a class."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from eevit_ros.images import Image, ResizeRule, resize
from model_export.errors import ModelExportError
from model_export.recipe import StageRecipe

RULE = ResizeRule()  # what models are trained with, and what their metadata then say


@dataclass(frozen=True)
class Dataset:
    """Square images uint8 (N, S, S, 3) RGB, labels int64 (N,), and the classes' names."""

    images: Image
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def subset(self, index: npt.NDArray[np.int64]) -> Dataset:
        """The images at `index`, in that order."""
        return Dataset(self.images[index], self.labels[index], self.class_names)


def load_split(folder: Path, split: str, image_size: int) -> Dataset:
    """Load `split` ('train' or 'test') of a data set.

    `folder` holds either parquet files named `train-*.parquet` and `test-*.parquet` with the
    columns of the public `cifar100` set, or folders `train/CLASS/*` and `test/CLASS/*` of images,
    which are then cropped and resized to `image_size` pixels.

    Raises:
        ModelExportError: neither is there, or a file in it cannot be read.
    """
    shards = sorted(folder.glob(f'{split}-*.parquet'))
    if shards:
        return _load_parquet(shards, image_size)
    if (folder / split).is_dir():
        return _load_folder(folder / split, image_size)
    raise ModelExportError(
        f'no data in {folder}: expected {split}-*.parquet files or a folder {split}/ '
        f'with one sub-folder a class'
    )


def fingerprint(data: Dataset) -> str:
    """What tells one training set from another: its size, and a hash of labels and class names.

    Which images are held out follows from these, so a run must go on, and its export calibrate, on
    the same. The pixels are not hashed: decoders differ in the last bit.
    """
    facts = json.dumps(data.class_names).encode() + data.labels.astype('<i8').tobytes()
    return f'{len(data)} images, labels {hashlib.sha256(facts).hexdigest()[:16]}'


def check_classes(data: Dataset, expected: tuple[str, ...], where: Path | str) -> None:
    """Refuse data whose labels mean other classes than the model's, at `where`.

    Raises:
        ModelExportError: a class is missing, unknown or elsewhere in the order.
    """
    names = data.class_names
    numbered = expected == tuple(str(label) for label in range(len(expected)))
    if names == expected or (numbered and names == expected[: len(names)]):
        return  # without names, a set that lacks the last classes cannot be told, and does no harm
    missing, unknown = sorted(set(expected) - set(names)), sorted(set(names) - set(expected))
    raise ModelExportError(
        f'{where} has other classes than the model: missing {missing}, unknown {unknown}'
        + ('' if missing or unknown else ', another order')
    )


def split_held_out(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """Split `count` images off, the same number of each class: (the rest, the held-out).

    Raises:
        ModelExportError: `count` is no multiple of the classes, or takes all images of one.
    """
    classes = len(data.class_names)
    if count < 1 or count % classes:
        raise ModelExportError(
            f'held_out must be a positive multiple of the {classes} classes. Got {count}'
        )
    each = count // classes
    for name, images in zip(
        data.class_names, np.bincount(data.labels, minlength=classes), strict=True
    ):
        if images <= each:
            raise ModelExportError(
                f'held_out {count} takes {each} images of each class, but class {name!r} has '
                f'{images}: lower held_out or add images'
            )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    held_out = np.concatenate([order[data.labels[order] == c][:each] for c in range(classes)])
    rest = np.setdiff1d(np.arange(len(data)), held_out)
    return data.subset(rest), data.subset(np.sort(held_out))


def evaluation_batch(images: Image, image_size: int) -> Image:
    """Resize as the robot does: uint8 (B, image_size, image_size, 3)."""
    return np.stack([resize(image, image_size, image_size, RULE) for image in images])


def training_batch(
    images: Image, image_size: int, recipe: StageRecipe, rng: np.random.Generator
) -> Image:
    """Random crop (of a mirrored border), random flip, then `evaluation_batch`'s resize."""
    out = np.empty((len(images), image_size, image_size, 3), np.uint8)
    for i, image in enumerate(images):
        size = image.shape[0]
        pad = round(recipe.crop_padding * size)
        padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode='reflect')
        side = max(1, round(size * rng.uniform(recipe.min_crop, 1.0)))
        top, left = rng.integers(0, size + 2 * pad - side + 1, 2)
        crop = padded[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        out[i] = resize(np.ascontiguousarray(crop), image_size, image_size, RULE)
    return out


def _load_parquet(shards: list[Path], image_size: int) -> Dataset:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images, labels = [], []
    class_names: tuple[str, ...] = ()
    try:
        for shard in shards:
            table = pq.read_table(shard)
            class_names = _names_in_schema(table.schema.metadata or {})
            images += [_decode(row['bytes'], str(shard)) for row in table['img'].to_pylist()]
            labels += table['fine_label'].to_pylist()
        known = np.array(labels, np.int64)
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as err:
        raise ModelExportError(f'cannot read {shard}: {err}') from err
    if not labels:
        raise ModelExportError(f'{shards[0]} holds no images')
    names = class_names or tuple(str(label) for label in range(known.max() + 1))
    if known.min() < 0 or known.max() >= len(names):
        raise ModelExportError(
            f'{shards[0].parent}: labels must be 0 to {len(names) - 1}. '
            f'Got {known.min()} to {known.max()}'
        )
    shapes = {image.shape for image in images}
    if len(shapes) > 1 or any(height != width for height, width, _ in shapes):
        images = [resize(image, image_size, image_size, RULE) for image in images]
    return Dataset(np.stack(images), known, names)


def _names_in_schema(metadata: dict[bytes, bytes]) -> tuple[str, ...]:
    features = json.loads(metadata.get(b'huggingface', b'{}')).get('info', {}).get('features', {})
    return tuple(features.get('fine_label', {}).get('names', ()))


def _decode(data: bytes, where: str) -> Image:
    # OpenCV raises on no bytes at all, and answers None to bytes that are no image.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ModelExportError(f'{where} holds an image that cannot be decoded')
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _load_folder(folder: Path, image_size: int) -> Dataset:
    classes = [path for path in _visible(folder) if path.is_dir()]
    if not classes:
        raise ModelExportError(f'{folder} holds no class folders with images')
    images, labels = [], []
    for label, class_folder in enumerate(classes):
        paths = _visible(class_folder)
        if not paths:
            raise ModelExportError(f'{class_folder} is empty: remove it or add images')
        for path in paths:
            try:
                image = _decode(path.read_bytes(), str(path))
            except OSError as err:
                raise ModelExportError(f'cannot read image {path}: {err.strerror}') from err
            images.append(resize(image, image_size, image_size, RULE))
            labels.append(label)
    names = tuple(path.name for path in classes)
    return Dataset(np.stack(images), np.array(labels, np.int64), names)


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, in order, without what tools leave there (.ipynb_checkpoints)."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
