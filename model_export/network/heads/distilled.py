"""Any head on a DeiT, whose exits average two classifiers.

References:
    Touvron et al., Training data-efficient image transformers, ICML 2021.
    Xu et al., LGViT, ACM MM 2023 (two classifiers at every exit of a DeiT).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_export.network.classifier import AveragedClassifier, linears
from model_export.network.heads.base import ExitHead, Grid


class DistilledHead(ExitHead):
    """A head that runs twice, once with each class token, and has a classifier for each.

    The first run sees the class token and the patches, the second the distillation token and the
    patches; all but the classifier is shared. A head made of a neck runs once (`NeckHead`).
    """

    def __init__(self, head: ExitHead, width: int, grid: Grid, num_classes: int) -> None:
        """Take over all of `head` but its classifier."""
        super().__init__(width, grid, num_classes)
        (linear,) = linears(head.classifier)
        self.classifier = AveragedClassifier(linear.in_features, num_classes)
        self.features = head
        head.set_submodule('classifier', nn.Identity())  # its last step: features are left

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, 2 + grid * grid, D)."""
        patches = x[:, 2:]
        features = [self.features(torch.cat([token, patches], 1)) for token in x[:, :2].split(1, 1)]
        return self.classifier(torch.stack(features, dim=1))
