"""What comes last at an exit and in a backbone: a linear classifier, or the two of a DeiT.

A DeiT has a classifier for the class token and one for the distillation token.

Reference: Touvron et al., Training data-efficient image transformers, ICML 2021.
"""

from __future__ import annotations

from torch import Tensor, nn


def linear_classifier(features: int, num_classes: int) -> nn.Linear:
    """Return a linear layer that starts almost undecided between the classes."""
    classifier = nn.Linear(features, num_classes)
    nn.init.trunc_normal_(classifier.weight, std=0.02)
    nn.init.zeros_(classifier.bias)
    return classifier


class AveragedClassifier(nn.Module):
    """Two linear classifiers, each of a feature vector of its own, and the mean of their logits."""

    def __init__(self, features: int, num_classes: int) -> None:
        """Make two classifiers of `features` each, almost undecided at the start."""
        super().__init__()
        self.out_features = num_classes
        self.of_class = linear_classifier(features, num_classes)
        self.of_distillation = linear_classifier(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of features (B, 2, F) of the class and the distillation token."""
        return (self.of_class(x[:, 0]) + self.of_distillation(x[:, 1])) / 2


def linears(classifier: nn.Module) -> list[nn.Linear]:
    """Return the linear layers whose outputs are averaged into the logits: one, in a DeiT two."""
    return [module for module in classifier.modules() if isinstance(module, nn.Linear)]
