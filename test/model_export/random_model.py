"""A model of the tiny recipe in which no weight has its initial value."""

from __future__ import annotations

import torch

from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import Recipe

CLASSES = ('dark', 'red', 'green', 'blue')


def random_model(recipe: Recipe) -> EarlyExitViT:
    """A model with random weights and batch statistics, none of them at its initial value."""
    torch.manual_seed(0)
    model = EarlyExitViT(recipe)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        for name, buffer in model.named_buffers():
            if name.endswith('running_mean'):
                buffer.normal_(0, 0.3)
            elif name.endswith('running_var'):
                buffer.uniform_(0.5, 2.0)
    return model.eval().requires_grad_(False)
