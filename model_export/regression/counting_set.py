"""A small counting set: objects of CIFAR-100 pasted on textures; how many is what is asked.

Deterministic by the seed. Training images show objects of CIFAR-100's train split, test images of
its test split, so no object is in both.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from eevit_ros.images.resize import Image
from model_export.data import load_split
from model_export.data.values import COLUMNS
from model_export.errors import ModelExportError, UsageError

CLASSES = ('apple', 'orange', 'pear', 'sweet_pepper')
MOST = 10  # objects in an image
SIDES = (0.13, 0.24)  # of an object, as shares of the image's side
OVERLAP = 0.15  # most of an object that may lie on another one
TRIES = 30  # places to try for one object; it is skipped if none is free enough


def make_counting_set(
    data: Path, out: Path, *, train: int, test: int, size: int, seed: int = 0
) -> None:
    """Write `out/train/*.png` and `out/train.csv`, and the same for test.

    Args:
        data: Folder with CIFAR-100.
        out: Folder to write to, new or empty.
        train: Images to make for training.
        test: Images to make for the test.
        size: Side of an image, pixels.
        seed: Seed of all that is random.

    Raises:
        ModelExportError: A count or the size is too small, `out` is not empty, or `data` is not
            CIFAR-100.
    """
    for name, value, least in (('train', train, 1), ('test', test, 1), ('size', size, 32)):
        if value < least:
            raise UsageError(f'--{name} must be at least {least}. Got {value}')
    if seed < 0:
        raise UsageError(f'--seed must be at least 0. Got {seed}')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ModelExportError(f'{out} is not empty: choose another --out')
    objects = [_objects(data, split) for split in ('train', 'test')]
    for number, (split, count) in enumerate((('train', train), ('test', test))):
        folder = out / split
        folder.mkdir(parents=True)
        rows = []
        for index in tqdm(range(count), f'{split} images', unit='image', disable=None):
            image, pasted = counting_image(
                objects[number], size, np.random.default_rng((seed, number, index))
            )
            name = f'{index + 1:06d}.png'
            if not cv2.imwrite(str(folder / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
                raise ModelExportError(f'cannot write {folder / name}')
            rows.append([name, pasted])
        with (out / f'{split}.csv').open('w', newline='') as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    print(f'wrote {out}: {train} training and {test} test images of 0 to {MOST} objects')


def counting_image(objects: Image, size: int, rng: np.random.Generator) -> tuple[Image, int]:
    """Make one image; return it and how many of `objects` (uint8 (N, 32, 32, 3)) it shows.

    Returns:
        uint8 (size, size, 3) RGB; 0 to `MOST`.
    """
    image = _texture(size, rng)
    taken = np.zeros((size, size), bool)
    pasted = 0
    for _ in range(int(rng.integers(MOST + 1))):
        side = max(4, round(size * rng.uniform(*SIDES)))
        cut = cv2.resize(
            objects[rng.integers(len(objects))], (side, side), interpolation=cv2.INTER_AREA
        )
        disc = _disc(side)
        for _ in range(TRIES):
            top, left = rng.integers(0, size - side + 1, 2)
            here = (slice(top, top + side), slice(left, left + side))
            inside = disc > 0.5
            if taken[here][inside].mean() <= OVERLAP:
                mixed = disc[..., None] * cut + (1 - disc[..., None]) * image[here]
                image[here] = mixed.round().astype(np.uint8)
                taken[here] |= inside
                pasted += 1
                break
    return image, pasted


def _objects(data: Path, split: str) -> Image:
    """Return the 32 by 32 images of `CLASSES`, whose objects fill the middle."""
    found = load_split(data, split, 32)
    missing = sorted(set(CLASSES) - set(found.class_names))
    if missing:
        raise ModelExportError(f'{data} is not CIFAR-100: it has no classes {missing}')
    wanted = [found.class_names.index(name) for name in CLASSES]
    return np.stack(list(found.images[np.isin(found.labels, wanted)]))


def _texture(size: int, rng: np.random.Generator) -> Image:
    """Return coloured noise of several grains: uint8 (size, size, 3)."""
    image = np.full((size, size, 3), rng.uniform(60, 190, 3), np.float32)
    for grain in (2, 5, 12, 30):
        noise = rng.normal(0, rng.uniform(5, 25), (grain, grain, 3)).astype(np.float32)
        image += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)


def _disc(side: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return the opacity of an object: float32 (side, side), a circle with a soft edge."""
    at = (np.arange(side) + 0.5) / side * 2 - 1
    radius = np.hypot(*np.meshgrid(at, at))
    return np.clip((1 - radius) * side / 4, 0, 1).astype(np.float32)
