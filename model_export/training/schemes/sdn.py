"""SDN: backbone and heads together, the heads' weights growing over the training."""

from __future__ import annotations

from torch import Tensor

from model_export.training.schemes.base import Scheme
from model_export.training.schemes.end_to_end import weighted_loss

FIRST_WEIGHT = 0.01


class ShallowDeep(Scheme):
    """The final classifier counts 1; exit i from 0.01 on, more with each step, up to its cost.

    As in the paper the cost C_i is the exit's share of the full model's computation, for which the
    share of the layers stands here, and tau_i(t) = min(0.01 + t * C_i, C_i) at t of the training.

    Reference: Kaya et al., Shallow-Deep Networks: Understanding and Mitigating Network
    Overthinking, ICML 2019.
    """

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the weighted sum over the exits."""
        weights = sdn_weights(self.model.exit_layers, len(self.model.backbone.blocks), step / steps)
        return weighted_loss(self, image, target, weights)


def sdn_weights(exit_layers: tuple[int, ...], layers: int, progress: float) -> list[float]:
    """Return the weight of each exit and, last, of the final classifier at `progress` (0 to 1)."""
    costs = [layer / layers for layer in exit_layers]
    return [*(min(FIRST_WEIGHT + progress * cost, cost) for cost in costs), 1.0]
