"""Answers of a trained model, ready for export, to the images held out of its training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eevit_ros.images.resize import Image
from model_export.data import (
    Dataset,
    check_classes,
    evaluation_batch,
    fingerprint,
    load_split,
)
from model_export.data.groups import Groups
from model_export.export.onnx_writer import round_weights_to_half
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, fold
from model_export.network.predict import logits_of
from model_export.weights.stored import load_model, load_training_data, reading_of

CHECKED_IMAGES = 20  # by the export, at every exit
FEW_IMAGES = 500
HALVES_SEED = 0


@dataclass(frozen=True)
class HeldOut:
    """A folded model with rounded weights, and its answers. E early exits, N images, C classes.

    Attributes:
        model: Temperatures are not yet folded in.
        class_names: C names.
        images: The held-out images.
        logits: float32 (E + 1, N, C), on the CPU.
        checked: uint8 (M, H, W, 3), the images that an export is checked on.
    """

    model: EarlyExitViT
    class_names: tuple[str, ...]
    images: Dataset
    logits: Tensor
    checked: Image

    @property
    def labels(self) -> Tensor:
        """True classes, int64 (N,)."""
        return torch.from_numpy(self.images.labels)


def answer_held_out(run: Path, data: Path, split: str | None = None) -> HeldOut:
    """Fold a run's model and let every exit answer the images that were held out.

    Args:
        run: Folder of a training run or of saved weights.
        data: The data that it trained on.
        split: A split that it was not trained on, to take in place of the held-out images.

    Raises:
        ModelExportError: The run is unfinished, the data differ, there is no such split, or folding
            changes answers.
    """
    trained, class_names = load_model(run)
    size = trained.recipe.backbone.image_size
    if split:
        held_out = load_split(data, split, size, reading_of(run))
        check_classes(held_out, class_names, data)
        print(f'answering {len(held_out)} images of the {split} split')
    else:
        _, held_out = load_training_data(run, trained.recipe, data)
        print(f'answering {len(held_out)} held-out images')
    if len(held_out) < FEW_IMAGES:
        print(f'warning: thresholds chosen on fewer than {FEW_IMAGES} images are unreliable')
    model = fold(trained)
    checked = evaluation_batch(held_out.images[:: max(1, len(held_out) // CHECKED_IMAGES)], size)
    check_fold(trained, model, torch.from_numpy(checked))
    round_weights_to_half(model)
    logits = logits_of(model, held_out, precise=True)
    return HeldOut(model, class_names, held_out, logits, checked)


def halves(
    images: int, groups: Groups | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the half to choose on and the half to test on, in random order.

    Args:
        images: Number of them.
        groups: Group of each, (N,), of which none is in both halves; two at least, or None.
    """
    rng = np.random.default_rng(HALVES_SEED)
    order = rng.permutation(images)
    if groups is None or len(set(groups)) < 2:
        return order[: images // 2], order[images // 2 :]
    _, first_of, group = np.unique(groups[order], return_index=True, return_inverse=True)
    order = order[np.argsort(first_of[group], kind='stable')]  # a group follows its first image
    ends = np.flatnonzero(groups[order][1:] != groups[order][:-1]) + 1
    middle = int(ends[np.abs(ends - images // 2).argmin()])
    return rng.permutation(order[:middle]), rng.permutation(order[middle:])


def calibration_hash(images: Dataset) -> str:
    """Return 16 hexadecimal digits that identify images and their order."""
    return hashlib.sha256(fingerprint(images).encode()).hexdigest()[:16]
