"""Optimizer, learning rate and moving average of a stage."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model_export.errors import ModelExportError
from model_export.network.backbones.base import AFTER_LAYERS
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import StageRecipe
from model_export.training.schemes import Scheme


def make_optimizer(scheme: Scheme, recipe: StageRecipe) -> torch.optim.Optimizer:
    """Return AdamW for what the scheme trains; freeze the rest, which takes no memory here."""
    model = scheme.model
    model.backbone.requires_grad_('backbone' in scheme.trains)
    model.heads.requires_grad_('heads' in scheme.trains)
    layers = len(model.backbone.blocks)
    groups = parameter_groups(scheme, recipe, layers)
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)


def parameter_groups(module: nn.Module, recipe: StageRecipe, layers: int) -> list[dict[str, Any]]:
    """Return AdamW's groups: vectors do not decay, each layer learns slower than the one above."""
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
    """Return 0 for the embedding, a layer's number, or one more for what follows the layers."""
    head, _, rest = name.partition('backbone.')
    if head not in ('', 'model.') or not rest or AFTER_LAYERS.match(rest):
        return layers + 1
    return 1 + int(rest.split('.')[1]) if rest.startswith('blocks.') else 0


def set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: StageRecipe, step: int, total: int
) -> float:
    """Set a linear warm-up, then half a cosine to 0; return the rate at scale 1."""
    warmup = min(recipe.warmup_steps, total // 2)
    if step < warmup:
        factor = (step + 1) / warmup
    else:
        factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
    for group in optimizer.param_groups:
        group['lr'] = recipe.learning_rate * factor * group['scale']
    return recipe.learning_rate * factor


def moving_average(model: EarlyExitViT, decay: float, steps: int) -> AveragedModel:
    """Return an exponential moving average of weights and batch statistics, now equal to `model`.

    The first steps count more, as in TensorFlow: the decay rises from 1/10 to `decay`.

    Args:
        model: What is averaged.
        decay: Share of the average that a step keeps.
        steps: Steps of the stage that it has seen already.

    References:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
        Tarvainen and Valpola, Mean Teachers are Better Role Models, NeurIPS 2017.
    """

    def average(kept: Any, now: Any, count: Tensor | int) -> None:
        early = int(count) / (9 + int(count))
        get_ema_multi_avg_fn(min(decay, early))(kept, now, count)

    averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    averaged.n_averaged.fill_(1 + steps)  # the weights at the start are the first
    return averaged


def steps_of(recipe: StageRecipe, images: int) -> int:
    """Return how many steps a stage takes on so many images.

    Raises:
        ModelExportError: There are too few images for one step.
    """
    steps = round(recipe.epochs * (images // recipe.batch_size))
    if images < recipe.batch_size or max(steps, recipe.min_steps) < 1:
        raise ModelExportError(
            f'{images} training images at batch_size {recipe.batch_size} and {recipe.epochs:g} '
            f'epochs make no training step: lower batch_size or raise epochs'
        )
    return max(steps, recipe.min_steps)
