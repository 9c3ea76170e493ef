"""The checkpoint of a training run, and how it becomes a model again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import recipe_from_dict


class _Required(TypedDict):
    recipe: dict[str, Any]
    class_names: list[str]
    data: str  # `fingerprint` of the training data, the held-out images among them
    stage: int
    step: int
    steps: int  # of this stage
    model: dict[str, Tensor]
    optimizer: dict[str, Any]


class Checkpoint(_Required, total=False):
    """What `checkpoint.pt` holds; plain types and tensors only."""

    scheme: dict[str, Tensor]  # of what the scheme itself trains
    ema: dict[str, Tensor]  # the moving average; at the end of a stage `model` is that
    reading: dict[str, Any]  # how the data was read: the fields of `data.Reading`


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read `checkpoint.pt` of a training run (weights only, nothing is executed).

    Raises:
        ModelExportError: There is none, or it is not a checkpoint.
    """
    path = folder / 'checkpoint.pt'
    if not path.exists():
        raise ModelExportError(f'{folder} holds no training run (no checkpoint.pt) and no weights')
    try:
        checkpoint: Checkpoint = torch.load(path, map_location='cpu', weights_only=True)  # noqa: TID251
    except Exception as err:  # torch raises what its unpickler happens to meet
        raise ModelExportError(f'cannot read checkpoint {path}: {err}') from err
    missing = sorted(set(_Required.__annotations__) - set(checkpoint))
    if missing:
        raise ModelExportError(f'cannot read checkpoint {path}: it lacks {missing}')
    return checkpoint


def load_run(folder: Path) -> tuple[EarlyExitViT, Checkpoint]:
    """Return the model of a finished training run, in evaluation mode, and its checkpoint.

    Raises:
        ModelExportError: There is no run, it is not finished, or a head of it has changed.
    """
    checkpoint = load_checkpoint(folder)
    recipe = recipe_from_dict(checkpoint['recipe'])
    stages = len(recipe.stages)
    stage, step, steps = checkpoint['stage'], checkpoint['step'], checkpoint['steps']
    if stage < stages or step < steps:
        raise ModelExportError(
            f'{folder} is not finished: stage {stage} of {stages}, step {step} of {steps}. '
            f'Run the command that started the training again to continue it'
        )
    model = EarlyExitViT(recipe)
    load_state(model, checkpoint['model'], folder)
    return model.eval(), checkpoint


def load_state(model: EarlyExitViT, state: dict[str, Tensor], source: Path) -> None:
    """Load parameters into a model of the same recipe.

    Raises:
        ModelExportError: They do not fit: the code of a head has changed.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as err:
        raise ModelExportError(
            f'{source} does not fit its own recipe; has the code of a head changed? {err}'
        ) from err
