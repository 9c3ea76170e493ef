"""BEEM: backbone and heads together; deeper exits count more."""

from __future__ import annotations

from torch import Tensor

from model_export.training.schemes.base import Scheme
from model_export.training.schemes.end_to_end import weighted_loss


class Beem(Scheme):
    """The mean of the cross entropy of every exit, weighted by its number; the final one is last.

    So the authors' published code trains (github: Div290/BEEM1), as PABEE did before. What is new
    in BEEM is the exit policy, not the training. Exit i of E + 1 counts i here, also where exits
    follow only some of the layers.

    Reference: Bajpai and Hanawal, BEEM: Boosting Performance of Early Exit DNNs using Multi-Exit
    Classifiers as Experts, ICLR 2025.
    """

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the weighted mean over the exits."""
        numbers = range(1, len(self.model.exit_layers) + 2)
        weights = [number / sum(numbers) for number in numbers]
        return weighted_loss(self, image, target, weights)
