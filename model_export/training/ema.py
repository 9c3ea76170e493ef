"""An exponential moving average of the weights: often a better model than the last step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from model_export.network.early_exit import EarlyExitViT


class MovingAverage:
    """Follows what a stage trains, and the statistics of batch norms.

    References:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
        Tarvainen and Valpola, Mean Teachers are Better Role Models, NeurIPS 2017.
    """

    def __init__(self, model: EarlyExitViT, decay: float) -> None:
        """Start at the weights of now; `decay` is how much of the average a step leaves."""
        self.decay = decay
        self.shadow = {name: value.clone() for name, value in _followed(model).items()}

    @torch.no_grad()
    def update(self, model: EarlyExitViT, step: int) -> None:
        """Take in the weights after `step` (from 0); early steps count more, as in TensorFlow."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        now = _followed(model)
        names = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.shadow[n] for n in names], [now[n] for n in names], share)
        for name in set(now) - set(names):  # counters of batch norms
            self.shadow[name].copy_(now[name])

    @contextmanager
    def in_place(self, model: EarlyExitViT) -> Iterator[None]:
        """While it is open, the model has the averaged weights."""
        kept = {name: value.clone() for name, value in _followed(model).items()}
        _copy(self.shadow, model)
        try:
            yield
        finally:
            _copy(kept, model)

    def give_to(self, model: EarlyExitViT) -> None:
        """Make the average the model's weights: the stage is over."""
        _copy(self.shadow, model)

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint kept."""
        for name, value in self.shadow.items():
            value.copy_(state[name])


def _followed(model: EarlyExitViT) -> dict[str, Tensor]:
    frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


@torch.no_grad()
def _copy(values: dict[str, Tensor], model: EarlyExitViT) -> None:
    now = _followed(model)
    for name, value in values.items():
        now[name].copy_(value)
