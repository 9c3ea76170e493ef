"""Heads trained on the frozen backbone's tokens, which are computed once for all of them.

This is classifier-wise training (Bakhtiarnia et al., BMVC 2021) cut to a budget that is the same
for every head: no augmentation, one schedule. It ranks heads; a full training lifts all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.data import Dataset
from model_export.errors import ModelExportError, UsageError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.predict import BATCH_SIZE, best_device, has_bfloat16
from model_export.studies.registry import StudyInputs
from model_export.training.features import compute_features
from model_export.training.schemes.base import Features as BackboneFeatures
from model_export.training.schemes.base import backbone_features

BATCH = 16  # small, so that few images make many steps
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05


@dataclass(frozen=True)
class Features:
    """What the frozen backbone makes of N images.

    Attributes:
        tokens: Tokens that heads see after each layer, bfloat16 (N, K + grid * grid, width), CPU.
        final: Logits of the final classifier, float32 (N, C).
        labels: int64 (N,).
    """

    tokens: dict[int, Tensor]
    final: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Budget:
    """What each head gets: `images` of the training data, seen `epochs` times."""

    images: int
    epochs: int

    def __post_init__(self) -> None:
        """Refuse budgets without a training step."""
        if self.images < BATCH:
            raise UsageError(f'--images must be at least {BATCH}. Got {self.images}')
        if self.epochs < 1:
            raise UsageError(f'--epochs must be at least 1. Got {self.epochs}')


@dataclass(frozen=True)
class Probe:
    """One head after one layer.

    Attributes:
        head: Name of its kind in recipes.
        layer: Layer that it follows, counted from 1.
        head_macs: MACs of the deployed head for one image.
        macs: MACs of the layers and the head together.
        parameters: Number of the head's parameters.
        accuracy: Share of held-out images that it answers correctly.
    """

    head: str
    layer: int
    head_macs: int
    macs: int
    parameters: int
    accuracy: float


def budget_of(inputs: StudyInputs, *, images: int, epochs: int) -> Budget:
    """Return the budget of the command line, or else the study's own `images` and `epochs`."""
    return Budget(
        images if inputs.images is None else inputs.images,
        epochs if inputs.epochs is None else inputs.epochs,
    )


def features(model: EarlyExitViT, data: Dataset, layers: Iterable[int]) -> Features:
    """Run the backbone once over `data` and keep the tokens after `layers` (from 1)."""
    kept = sorted(set(layers))

    def extract(image: Tensor) -> BackboneFeatures:
        return backbone_features(model.backbone, image, kept, logits=True, last=False)

    found = compute_features(model.to(best_device()), extract, data, f'{len(data)} images')
    assert found.logits is not None
    tokens = dict(zip(kept, found.tokens, strict=True))
    return Features(tokens, found.logits, torch.from_numpy(data.labels))


def train_head(
    head: nn.Module, tokens: Tensor, labels: Tensor, budget: Budget, *, seed: int
) -> None:
    """Train a head in place by cross entropy: AdamW, one warm-up and cosine.

    Args:
        head: Maps tokens (B, T, D) to logits (B, C); left in evaluation mode.
        tokens: (N, T, D), of which the first `budget.images` are used.
        labels: int64 (N,).
        budget: Images and epochs.
        seed: Seed of the order of the images and of dropout.
    """
    device = best_device()
    images = min(budget.images, len(labels))
    steps = budget.epochs * (images // BATCH)
    if not steps:
        raise ModelExportError(f'{images} images make no batch of {BATCH}')
    head.to(device).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    torch.manual_seed(seed)
    for _ in range(budget.epochs):
        for rows in torch.randperm(images)[: images // BATCH * BATCH].split(BATCH):
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
                logits = head(tokens[rows].to(device).float()).float()
            loss = F.cross_entropy(logits, labels[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    head.eval().requires_grad_(False)


@torch.no_grad()
def head_logits(head: nn.Module, tokens: Tensor) -> Tensor:
    """Return the logits of a trained head, float32 (N, C) on the CPU."""
    device = next(head.parameters()).device
    parts = []
    for part in tokens.split(BATCH_SIZE):
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            parts.append(head(part.to(device).float()).float().cpu())
    return torch.cat(parts)
