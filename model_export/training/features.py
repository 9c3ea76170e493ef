"""Features of a whole data set from a frozen backbone, computed once and kept in memory."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor

from model_export.data import LabelledImages, evaluation_batch
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import BATCH_SIZE, has_bfloat16
from model_export.progress import progress
from model_export.training.schemes import Features, HeadScheme

GIB = 2**30


def to_device(features: Features, device: torch.device) -> Features:
    """Return the features on the training device, in float32."""
    return features.map(lambda x: x.to(device).float())


def check_memory(scheme: HeadScheme, images: int) -> None:
    """Refuse features that would take more than half of this machine's memory.

    Raises:
        ModelExportError: They would.
    """
    size = scheme.model.recipe.backbone.image_size
    device = next(scheme.model.parameters()).device
    one = scheme.features(torch.zeros(1, size, size, 3, dtype=torch.uint8, device=device))
    need = images * sum(x.nbytes for x in _room_for(one, 1).parts())
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    if need > memory / 2:
        raise ModelExportError(
            f'cache_features would take {need / GIB:.1f} GiB of memory for {images} images, more '
            f'than half of the {memory / GIB:.1f} GiB here: drop it, or use fewer exits or images'
        )


@torch.no_grad()
def compute_features(
    model: EarlyExitViT,
    extract: Callable[[Tensor], Features],
    data: LabelledImages,
    what: str,
) -> Features:
    """Run the backbone on every image, resized as on the robot and not augmented.

    Args:
        model: Model, put into evaluation mode; it stays on its device.
        extract: Features to keep of a batch uint8 (B, H, W, 3) on that device.
        data: N images.
        what: Name of the images in the progress bar.

    Returns:
        Features of all N images, on the CPU: tokens in bfloat16, logits in float32.
    """
    device = next(model.parameters()).device
    size = model.recipe.backbone.image_size
    model.eval()
    whole: Features | None = None
    for first in progress(range(0, len(data), BATCH_SIZE), f'features of {what}', unit='batch'):
        image = evaluation_batch(data.images[first : first + BATCH_SIZE], size)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            batch = extract(torch.from_numpy(image).to(device))
        # In place: a list of parts would need twice the room.
        whole = whole or _room_for(batch, len(data))
        for room, part in zip(whole.parts(), batch.parts(), strict=True):
            room[first : first + len(part)] = part
    assert whole is not None
    return whole


def _room_for(features: Features, images: int) -> Features:
    room = features.map(lambda x: torch.empty(images, *x.shape[1:], dtype=torch.bfloat16))
    return room._replace(logits=None if room.logits is None else room.logits.float())
