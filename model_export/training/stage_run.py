"""One stage while it trains: scheme, optimizer and moving average, and a step of them."""

from __future__ import annotations

import contextlib
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from model_export.network.early_exit import EarlyExitViT
from model_export.network.heads.base import sides
from model_export.training.optimise import make_optimizer, moving_average, set_learning_rate
from model_export.training.schemes import Features, Scheme, build_scheme, phase_of
from model_export.training.stage_inputs import StageInputs, seed_of
from model_export.weights.checkpoint import Checkpoint

_FEW_PATCHES = 64


class StageRun:
    """Trains the model of a stage, step by step.

    Attributes:
        scheme: Scheme of the stage.
        learning_rate: Rate of the last step, at scale 1.
    """

    def __init__(self, inputs: StageInputs, steps: int, done: Checkpoint | None) -> None:
        """Begin a stage of so many steps, or go on from a checkpoint of it."""
        self.model = inputs.model
        self.recipe = inputs.recipe
        self.steps = steps
        self.learning_rate = 0.0
        self._patches = math.prod(sides(inputs.model.recipe.backbone.exit_shape(1)[1]))
        self.scheme = seeded_scheme(inputs.model, inputs.stage).to(inputs.fabric.device)
        self._fabric = inputs.fabric
        self._optimizer = make_optimizer(self.scheme, self.recipe)
        ema, first = self.recipe.ema, done['step'] if done else 0
        self._average = moving_average(self.model, ema, first) if ema else None
        if done:
            self._optimizer.load_state_dict(done['optimizer'])
            _update_state(self.scheme, done.get('scheme', {}))
            if self._average:
                _update_state(self._average.module, done['ema'])
        self._module, self._stepper = self._fabric.setup(self.scheme, self._optimizer)

    @property
    def kept(self) -> EarlyExitViT:
        """The weights that the stage keeps: the moving average if there is one."""
        return cast(EarlyExitViT, self._average.module) if self._average else self.model

    def gradients(self, step: int, batch: Tensor | Features, target: Tensor) -> tuple[float, float]:
        """Compute the gradients of a batch; return its loss and their norm before clipping to 1."""
        self._set_modes()
        phase = phase_of(step, self.steps, self.scheme.phases)
        self.learning_rate = set_learning_rate(
            self._optimizer, self.recipe, phase.step, phase.steps
        )
        with _quick_attention(self._fabric.device, self._patches):
            loss = self._module(batch, target, step, self.steps)
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        norm = self._fabric.clip_gradients(
            self._module, self._stepper, max_norm=1.0, error_if_nonfinite=False
        )
        assert norm is not None
        return loss.item(), norm.item()

    def update(self) -> None:
        """Change the weights by the gradients."""
        self._stepper.step()
        if self._average:
            self._average.update_parameters(self.model)

    def finish(self) -> None:
        """Make the weights that the stage keeps the model's."""
        if self._average:
            self.model.load_state_dict(self._average.module.state_dict())

    def state(self) -> dict[str, Any]:
        """Return the stage's part of a checkpoint."""
        own = {k: v for k, v in self.scheme.state_dict().items() if not k.startswith('model.')}
        return {
            'model': self.model.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'scheme': own,
            'ema': self._average.module.state_dict() if self._average else {},
        }

    def _set_modes(self) -> None:
        """Turn dropout and batch statistics on in what is trained, and off elsewhere."""
        self.scheme.train()
        self.model.backbone.train('backbone' in self.scheme.trains)
        self.model.heads.train('heads' in self.scheme.trains)


def seeded_scheme(model: EarlyExitViT, stage: int) -> Scheme:
    """Return the scheme of a stage (from 1); the recipe's seed fixes its own parameters.

    Raises:
        ModelExportError: Scheme or parameters are unknown, or do not fit the model.
    """
    torch.manual_seed(seed_of(model.recipe.seed, stage))
    return build_scheme(model.recipe.stages[stage - 1], model, f'stages[{stage - 1}]')


def _update_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Load the part of a module's state that a checkpoint holds."""
    module.load_state_dict({**module.state_dict(), **state})


def _quick_attention(device: torch.device, patches: int) -> contextlib.AbstractContextManager[None]:
    """Use plain matrix products for attention between few patches on a CPU, while it is open.

    torch's fused kernel is faster forward, but slow backward at the few tokens of a small image:
    there only evaluation uses it. At 196 patches plain products take a third more.
    """
    plain = device.type == 'cpu' and patches <= _FEW_PATCHES
    return sdpa_kernel(SDPBackend.MATH) if plain else contextlib.nullcontext()
