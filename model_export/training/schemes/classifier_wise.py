"""Train the heads on a frozen backbone, each on its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Features, HeadScheme, soft_loss


@dataclass(frozen=True)
class ClassifierWiseParams:
    """How much the heads learn from the final classifier's softened logits."""

    distill_weight: float = 0.0
    distill_temperature: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        in_range(self, 'distill_weight', lambda value: 0 <= value <= 1, 'in [0, 1]')
        in_range(self, 'distill_temperature', lambda value: value > 0, 'positive')


class ClassifierWise(HeadScheme):
    """Cross entropy of each head and, if asked, its divergence from the final classifier.

    The first model that shipped was trained so with a `distill_weight` of 0.5: the prediction part
    of LGViT's second stage, without the feature parts (`lgvit` has them).
    """

    params_type = ClassifierWiseParams
    params: ClassifierWiseParams

    def __init__(
        self, model: EarlyExitViT, params: ClassifierWiseParams, label_smoothing: float = 0.0
    ) -> None:
        """Train the heads; run the final classifier only if it teaches."""
        super().__init__(model, params, label_smoothing)
        self.needs_logits = params.distill_weight > 0

    def loss(self, features: Features, target: Tensor) -> Tensor:
        """Return the mean over the heads."""
        weight, temperature = self.params.distill_weight, self.params.distill_temperature
        losses = []
        for student in self.head_logits(features):
            loss = self.hard_loss(student, target)
            if features.logits is not None and weight:
                soft = soft_loss(student, features.logits, temperature)
                loss = (1 - weight) * loss + weight * soft
            losses.append(loss)
        return torch.stack(losses).mean()
