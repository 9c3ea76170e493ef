"""The average of trained models: often better than each of them, at no cost to the robot.

Reference: Wortsman et al., Model Soups: Averaging Weights of Multiple Fine-Tuned Models Improves
Accuracy without Increasing Inference Time, ICML 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.weights.stored import load_model, reading_of, trained_on

SHARED = ('task', 'num_classes', 'backbone', 'exits', 'held_out', 'held_out_seed')
"""What recipes of models that can be averaged have in common; else one has seen the other's."""


def load_average(folders: Sequence[Path]) -> tuple[EarlyExitViT, tuple[str, ...]]:
    """Load models of one form, from the same data, and average their weights.

    Args:
        folders: Saved weights or finished training runs; the recipe is that of the first.

    Returns:
        A model in evaluation mode, and its class names.

    Raises:
        ModelExportError: A folder holds neither, or differs from the first in form, classes, data
            or held-out images.
    """
    model, class_names = load_model(folders[0], task=None)
    data = trained_on(folders[0]), reading_of(folders[0])
    mean: dict[str, Tensor] = {name: one.double() for name, one in model.state_dict().items()}
    for folder in folders[1:]:
        other, _ = load_model(folder, task=None)
        ours, theirs = model.recipe, other.recipe
        differs = [name for name in SHARED if getattr(ours, name) != getattr(theirs, name)]
        if (trained_on(folder), reading_of(folder)) != data:
            differs.append('classes or data')
        if differs:
            raise ModelExportError(
                f'{folder} cannot be averaged with {folders[0]}: they differ in '
                f'{", ".join(differs)}. Average runs that differ in training alone'
            )
        for name, one in other.state_dict().items():
            mean[name] += one.double()
    with torch.no_grad():
        for name, one in model.state_dict().items():
            one.copy_(mean[name] / len(folders))
    return model, class_names
