"""Regression: every exit learns the number, backbone and heads together."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.training.schemes.base import Scheme


class Regression(Scheme):
    """Mean absolute error of every exit and of the final one, all counted alike.

    The trainer gives it targets of mean 0 and deviation 1 (`model_export/data/values.py`).

    Reference: Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021
    (crowd counting: the same heads with one output and this loss).
    """

    task = 'regression'

    def __init__(self, model: EarlyExitViT, params: Any, label_smoothing: float = 0.0) -> None:
        """Refuse a model in which no image can leave early."""
        super().__init__(model, params, label_smoothing)
        if len(model.heads) < 2:
            raise ModelExportError(
                'exits must be two or more: an image leaves where two of them agree. '
                f'Got layers {list(model.exit_layers)}'
            )

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the mean over exits and images; `target` is float32 (B,)."""
        found = self.model(image).squeeze(-1)  # (E + 1, B)
        return (found.float() - target).abs().mean()
