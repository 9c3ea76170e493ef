"""The optimizer of a stage, and the course of its learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from model_export.errors import ModelExportError
from model_export.recipe.recipe import StageRecipe
from model_export.training.schemes import Scheme


def make_optimizer(scheme: Scheme, recipe: StageRecipe) -> torch.optim.Optimizer:
    """AdamW of what the scheme trains; all else is frozen, and takes no memory here."""
    model = scheme.model
    model.backbone.requires_grad_('backbone' in scheme.trains)
    model.heads.requires_grad_('heads' in scheme.trains)
    layers = len(model.backbone.blocks)
    groups = parameter_groups(scheme, recipe, layers)
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def parameter_groups(module: nn.Module, recipe: StageRecipe, layers: int) -> list[dict[str, Any]]:
    """Groups of AdamW: no decay of vectors; each layer learns slower than the one above it."""
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        level = _level(name, layers)
        embeds = ('_token', '_tokens', 'pos_embed', 'bias_table')
        decays = parameter.ndim > 1 and not name.endswith(embeds)
        group = groups.setdefault(
            (level, decays),
            {
                'params': [],
                'scale': recipe.layer_decay ** (layers + 1 - level),
                'weight_decay': recipe.weight_decay if decays else 0.0,
            },
        )
        group['params'].append(parameter)
    return list(groups.values())


def _level(name: str, layers: int) -> int:
    """0 for the embedding, then the number of the layer, then one more for all that follows."""
    head, _, rest = name.partition('backbone.')
    if head not in ('', 'model.') or not rest or rest.startswith(('norm.', 'classifier.')):
        return layers + 1
    return 1 + int(rest.split('.')[1]) if rest.startswith('blocks.') else 0


def set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: StageRecipe, step: int, total: int
) -> float:
    """Linear warm-up, then half a cosine to 0; returns the rate at scale 1."""
    warmup = min(recipe.warmup_steps, total // 2)
    if step < warmup:
        factor = (step + 1) / warmup
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    for group in optimizer.param_groups:
        group['lr'] = recipe.learning_rate * factor * group['scale']
    return recipe.learning_rate * factor


def steps_of(recipe: StageRecipe, images: int) -> int:
    """How many steps a stage takes on so many images.

    Raises:
        ModelExportError: not one.
    """
    steps = round(recipe.epochs * (images // recipe.batch_size))
    if steps < 1:
        raise ModelExportError(
            f'{images} training images at batch_size {recipe.batch_size} and {recipe.epochs:g} '
            f'epochs make no training step: lower batch_size or raise epochs'
        )
    return steps
