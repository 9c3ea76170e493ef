"""Every exit's answers for a whole data set, on the best device there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model_export.data import LabelledImages, evaluation_batch
from model_export.network.early_exit import EarlyExitViT

BATCH_SIZE = 250


def best_device() -> torch.device:
    """Return the GPU if torch finds one, else the CPU."""
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware computes in bfloat16; emulated, it is slower than float32."""
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch 2.9 cannot tell yet, and then trains in float32.
    can: Mapping[str, Any] = getattr(torch.cpu, 'get_capabilities', dict)()
    return any(can.get(name) for name in ('avx512_bf16', 'amx_bf16', 'bf16'))


@torch.no_grad()
def logits_of(model: EarlyExitViT, data: LabelledImages, *, precise: bool = False) -> Tensor:
    """Return the logits of every exit, float32 (E + 1, N, C) on the CPU.

    Computed in bfloat16 where the hardware can, unless `precise`.
    """
    home = next(model.parameters()).device
    device = best_device()
    half = has_bfloat16(device) and not precise
    size = model.recipe.backbone.image_size
    parts = []
    model.eval().to(device)
    for first in range(0, len(data), BATCH_SIZE):
        batch = evaluation_batch(data.images[first : first + BATCH_SIZE], size)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            parts.append(model(torch.from_numpy(batch).to(device)).float().cpu())
    model.to(home)
    return torch.cat(parts, dim=1)


def score_per_exit(model: EarlyExitViT, data: LabelledImages) -> list[float]:
    """Return the score of each exit and, last, of the final one: accuracy, or error of values."""
    return data.score(logits_of(model, data).numpy())
