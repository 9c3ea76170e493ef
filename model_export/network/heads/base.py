"""What a head is: tokens in, logits out; and the kind that is made of a neck and a classifier."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

from model_export.network.classifier import AveragedClassifier, linear_classifier

# Patches along one side of a square, or rows and columns.
Grid: TypeAlias = int | tuple[int, int]


class ExitHead(nn.Module):
    """Maps the tokens after a layer, class token first, to logits.

    The last step of every head is the linear layer `classifier`: the export divides the exit's
    temperature into it (`network/fold.py`). On a DeiT `build_head` gives every head two of them,
    for the class token and the distillation token; a head need not know of it. A head of your own
    takes the arguments of `__init__` here, then parameters of its own by name. One that cannot
    serve a width or a grid says so by an error when it is made.
    """

    classifier: nn.Linear | AveragedClassifier

    def __init__(self, width: int, grid: Grid, num_classes: int) -> None:
        """Take the width D, the patches along the sides of the image and the classes C."""
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        raise NotImplementedError


class Neck(nn.Module):
    """Maps patch tokens (B, grid * grid, D) to (B, M, D); the head takes the mean over M.

    A neck whose last step is linear can split itself into a `trunk` and that `tail`. The mean
    commutes with the tail, so the export folds tail and classifier into one small matrix and the
    patches never pass through it (`model_export/network/fold.py`). A neck without a tail overrides
    `forward` alone and works as well, unfolded.
    """

    residual = False  # whether the patches are added to the tail's output

    def trunk(self, patches: Tensor) -> Tensor:
        """Run all but the linear tail: (B, grid * grid, D) to (B, M, K)."""
        raise NotImplementedError

    def tail(self) -> tuple[Tensor, Tensor] | None:
        """Return weight (D, K) and bias (D,) of the linear tail in evaluation mode."""
        return None

    def forward(self, patches: Tensor) -> Tensor:
        """Return the patch tokens as the classifier should see them, before the mean."""
        raise NotImplementedError


class NeckHead(ExitHead):
    """A norm, a neck and a classifier: classifier(mean(neck(patches)) + class token).

    On a DeiT the distillation token has a classifier of its own; both share the norm and the neck.
    """

    def __init__(
        self,
        neck: Neck,
        width: int,
        grid: Grid,
        num_classes: int,
        *,
        class_tokens: int = 1,
        norm: bool = True,
    ) -> None:
        """Put a norm (or none, as LGViT) before `neck` and a classifier behind it."""
        super().__init__(width, grid, num_classes)
        self.class_tokens = class_tokens
        self.norm = token_norm(width) if norm else nn.Identity()
        self.neck = neck
        self.classifier = (
            linear_classifier(width, num_classes)
            if class_tokens == 1
            else AveragedClassifier(width, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, class_tokens + grid * grid, D)."""
        direct, patches = split_tokens(self.norm(x), self.class_tokens)
        pooled = self.neck(patches).mean(dim=1, keepdim=direct.ndim == 3)
        return self.classifier(pooled + direct)


class PatchHead(ExitHead):
    """LGViT's head on a Swin, which has no class token: classifier(mean(norm(neck(patches))))."""

    def __init__(self, neck: Neck, width: int, grid: Grid, num_classes: int) -> None:
        """Put `neck` first, then a norm, then a linear classifier."""
        super().__init__(width, grid, num_classes)
        self.neck = neck
        self.norm = nn.LayerNorm(width, eps=1e-5)  # of a Swin; a ViT's is 1e-6
        self.classifier = linear_classifier(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        return self.classifier(self.norm(self.neck(x[:, 1:])).mean(dim=1))


def sides(grid: Grid) -> tuple[int, int]:
    """Return rows and columns."""
    return (grid, grid) if isinstance(grid, int) else grid


def split_tokens(x: Tensor, class_tokens: int) -> tuple[Tensor, Tensor]:
    """Split `x` into class token (B, D), in a DeiT two (B, 2, D), and patches (B, N, D)."""
    direct = x[:, 0] if class_tokens == 1 else x[:, :class_tokens]
    return direct, x[:, class_tokens:]


def token_norm(width: int) -> nn.LayerNorm:
    """Return the norm that heads begin with: tokens of a pre-norm ViT have no fixed scale."""
    return nn.LayerNorm(width, eps=1e-6)
