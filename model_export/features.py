"""What a frozen backbone sees of a data set, computed once and kept in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from model_export.data import Dataset, evaluation_batch
from model_export.errors import ModelExportError
from model_export.predict import BATCH_SIZE, has_bfloat16
from model_export.regression.values import Values
from model_export.schemes import HeadScheme, Seen

GIB = 2**30


@dataclass(frozen=True)
class Features:
    """A `Seen` of all N images of a data set, tokens in bfloat16, on the CPU."""

    seen: Seen

    def batch(self, rows: slice | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Seen:
        """What the backbone saw of the images `rows`."""
        index: slice | Tensor = rows if isinstance(rows, slice) else torch.from_numpy(rows)
        tokens, logits, last = self.seen
        return Seen(
            [x[index] for x in tokens],
            None if logits is None else logits[index],
            None if last is None else last[index],
        )


def to_device(seen: Seen, device: torch.device) -> Seen:
    """The same on the device that trains, in float32."""
    tokens, logits, last = seen
    return Seen(
        [x.to(device).float() for x in tokens],
        None if logits is None else logits.to(device).float(),
        None if last is None else last.to(device).float(),
    )


def check_memory(scheme: HeadScheme, images: int) -> None:
    """Refuse features that would take more than half of this machine's memory.

    Raises:
        ModelExportError: so it is.
    """
    size = scheme.model.recipe.backbone.image_size
    device = next(scheme.model.parameters()).device
    one = scheme.look(torch.zeros(1, size, size, 3, dtype=torch.uint8, device=device))
    values = sum(x.numel() for x in (*one.tokens, one.logits, one.last) if x is not None)
    need = 2 * values * images
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    if need > memory / 2:
        raise ModelExportError(
            f'cache_features would take {need / GIB:.1f} GiB of memory for {images} images, more '
            f'than half of the {memory / GIB:.1f} GiB here: drop it, or take fewer exits or images'
        )


@torch.no_grad()
def compute_features(scheme: HeadScheme, data: Dataset | Values, what: str) -> Features:
    """Run the backbone on every image, resized as the robot does it and not augmented.

    Args:
        scheme: Its `look` says what is kept; the model is put into evaluation mode.
        data: N images.
        what: What they are, for the progress bar.
    """
    device = next(scheme.model.parameters()).device
    size = scheme.model.recipe.backbone.image_size
    scheme.model.eval()
    whole: list[Tensor] = []
    for first in tqdm(range(0, len(data), BATCH_SIZE), f'features of {what}', unit='batch'):
        image = evaluation_batch(data.images[first : first + BATCH_SIZE], size)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            tokens, logits, last = scheme.look(torch.from_numpy(image).to(device))
        parts = [x for x in (*tokens, logits, last) if x is not None]
        if not whole:
            whole = [torch.empty(len(data), *x.shape[1:], dtype=torch.bfloat16) for x in parts]
        for target, part in zip(whole, parts, strict=True):
            target[first : first + len(part)] = part
    exits = len(scheme.model.heads)
    rest = iter(whole[exits:])
    return Features(
        Seen(
            whole[:exits],
            next(rest) if scheme.needs_logits else None,
            next(rest) if scheme.needs_last else None,
        )
    )
