"""Batches of training crops, made by worker processes while the model trains."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterable
from typing import TypeAlias

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from eevit_ros.images.resize import Image
from model_export.data.batches import training_crop
from model_export.data.dataset import Images
from model_export.recipe.recipe import StageRecipe

# Which image to crop, and the seed of the crop.
Crop: TypeAlias = tuple[int, tuple[int, ...]]

_MOST_WORKERS = 8
_FEW_IMAGES = 2000  # cropped here in less time than workers take to start


def crop_loader(
    images: Images, image_size: int, recipe: StageRecipe, batches: Iterable[list[Crop]]
) -> Iterable[Image]:
    """Return an iterable of the batches' crops, uint8 (B, image_size, image_size, 3), in order.

    A crop follows from its own seed, whichever worker makes it.
    """
    workers = worker_count(len(images))
    return DataLoader(
        _Crops(images, image_size, recipe),
        batch_sampler=batches,
        num_workers=workers,
        # With it a thread takes the next batch from its pipe while a GPU works on this one.
        pin_memory=torch.cuda.is_available(),
        # Arrays travel by pipe; tensors would need shared memory, of which containers have little.
        collate_fn=np.stack,
        worker_init_fn=_begin_worker,
        # Workers read the images' unnamed file, which only a fork can pass on.
        multiprocessing_context='fork' if workers else None,
    )


def worker_count(images: int) -> int:
    """Return how many workers crop: one for each core of this process but one, 8 at most."""
    if images < _FEW_IMAGES:
        return 0
    processes = int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
    return max(0, min(_MOST_WORKERS, len(os.sched_getaffinity(0)) // processes - 1))


class _Crops(Dataset[Image]):
    def __init__(self, images: Images, image_size: int, recipe: StageRecipe) -> None:
        self.images = images
        self.image_size = image_size
        self.recipe = recipe

    def __getitem__(self, crop: Crop) -> Image:
        row, seed = crop
        rng = np.random.default_rng(seed)
        return training_crop(self.images[row], self.image_size, self.recipe, rng)


def _begin_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the training ends its workers
    gc.freeze()  # what was dropped before the fork may lie on a GPU, and cannot be freed from here
    cv2.setNumThreads(0)  # the threads of OpenCV do not outlive the fork
