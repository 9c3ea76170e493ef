"""What a head is: tokens in, logits out; and the kind that is made of a neck and a classifier."""

from __future__ import annotations

from torch import Tensor, nn


class ExitHead(nn.Module):
    """Maps the tokens after a layer, class token first, to logits.

    The last step of every head is the linear layer `classifier`: the export divides the exit's
    temperature into it (`model_export/fold.py`). A head of your own takes the arguments of
    `__init__` here, then parameters of its own by name.
    """

    classifier: nn.Linear

    def __init__(self, width: int, grid: int, num_classes: int) -> None:
        """Take the width D, the patches along one side of the image and the classes C."""
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        raise NotImplementedError


class Neck(nn.Module):
    """Maps patch tokens (B, grid * grid, D) to (B, M, D); the head takes the mean over M.

    A neck whose last step is linear can split itself into a `trunk` and that `tail`. The mean
    commutes with the tail, so the export folds tail and classifier into one small matrix and the
    patches never pass through it (`model_export/fold.py`). A neck without a tail overrides
    `forward` alone and works as well, unfolded.
    """

    residual = False  # whether the patches are added to the tail's output

    def trunk(self, patches: Tensor) -> Tensor:
        """All but the linear tail: (B, grid * grid, D) to (B, M, K)."""
        raise NotImplementedError

    def tail(self) -> tuple[Tensor, Tensor] | None:
        """The linear tail as weight (D, K) and bias (D,), as it is in evaluation mode."""
        return None

    def forward(self, patches: Tensor) -> Tensor:
        """The patch tokens as the classifier should see them, before the mean."""
        raise NotImplementedError


class NeckHead(ExitHead):
    """A norm, a neck and a classifier: classifier(mean(neck(patches)) + class token)."""

    def __init__(self, neck: Neck, width: int, grid: int, num_classes: int) -> None:
        """Put a norm before `neck` and a linear classifier behind it."""
        super().__init__(width, grid, num_classes)
        self.norm = token_norm(width)
        self.neck = neck
        self.classifier = linear_classifier(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        x = self.norm(x)
        return self.classifier(self.neck(x[:, 1:]).mean(dim=1) + x[:, 0])


def token_norm(width: int) -> nn.LayerNorm:
    """The norm that heads begin with: tokens of a pre-norm ViT have no fixed scale."""
    return nn.LayerNorm(width, eps=1e-6)


def linear_classifier(features: int, num_classes: int) -> nn.Linear:
    """A linear layer that starts almost undecided between the classes."""
    classifier = nn.Linear(features, num_classes)
    nn.init.trunc_normal_(classifier.weight, std=0.02)
    nn.init.zeros_(classifier.bias)
    return classifier
