"""The two cheapest heads: linear probes of the tokens as the backbone left them."""

from __future__ import annotations

from torch import Tensor

from model_export.network.classifier import linear_classifier
from model_export.network.heads.base import ExitHead, Grid, Neck, token_norm


class LinearHead(ExitHead):
    """EnViT's head: a norm and a linear classifier of the class token alone."""

    def __init__(self, width: int, grid: Grid, num_classes: int) -> None:
        """Take what every head is given; there is nothing to choose."""
        super().__init__(width, grid, num_classes)
        self.norm = token_norm(width)
        self.classifier = linear_classifier(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        return self.classifier(self.norm(x[:, 0]))


class MeanNeck(Neck):
    """No neck: the mean of the patches as they are, so that the classifier sees all tokens."""

    def __init__(self, width: int, grid: Grid) -> None:
        """Take what every neck is given: the width D and the patches along one side."""
        super().__init__()

    def forward(self, patches: Tensor) -> Tensor:
        """Return the patches (B, grid * grid, D) unchanged."""
        return patches
