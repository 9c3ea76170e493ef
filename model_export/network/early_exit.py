"""A ViT with early exits, in the forms that training, study and export need.

References:
    Teerapittayanon et al., BranchyNet, ICPR 2016 (exits by confidence).
    Xu et al., LGViT, ACM MM 2023 (the heads, and where they sit).

Shapes in comments: B images, C classes, E early exits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from model_export.network.backbones import build_backbone
from model_export.network.heads import build_head
from model_export.network.measures import measure
from model_export.recipe.recipe import Recipe


class EarlyExitViT(nn.Module):
    """A backbone, E exit heads and the layers (counted from 1) that they follow."""

    def __init__(self, recipe: Recipe) -> None:
        """Make the recipe's model with random weights."""
        super().__init__()
        self.recipe = recipe
        self.exit_layers = tuple(exit.layer for exit in recipe.exits)
        self.backbone = build_backbone(recipe.backbone, recipe.num_classes)
        self.heads = nn.ModuleList(
            build_head(exit, recipe.backbone, recipe.num_classes) for exit in recipe.exits
        )

    def walk(self, image: Tensor) -> Iterator[Tensor]:
        """Yield what each exit's head sees and, last, what the backbone's `classify` takes.

        A layer runs only when tokens behind it are asked for, so a caller may leave early.
        """
        backbone = self.backbone
        tokens = backbone.walk(image, (*self.exit_layers, len(backbone.blocks) - 1))
        for layer in self.exit_layers:
            yield backbone.exit_tokens(next(tokens), layer)
        yield next(tokens)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (E + 1, B, C) of every exit and, last, of the final classifier."""
        *tokens, last = self.walk(image)
        logits = [head(x) for head, x in zip(self.heads, tokens, strict=True)]
        return torch.stack([*logits, self.backbone.classify(last)])

    def forward_eager(
        self, image: Tensor, thresholds: Tensor, policy: str = 'softmax'
    ) -> tuple[Tensor, Tensor]:
        """Answer one image, running no layer and no head after the exit that is taken.

        Args:
            image: uint8 (1, H, W, 3), RGB.
            thresholds: float32 (E,); exit e answers when its measure > thresholds[e].
            policy: The measure, one of `eevit_ros.policies.STATELESS`.

        Returns:
            probabilities float32 (1, C), and the exit index int32 (1,), E for the final one.
        """
        tokens = self.walk(image)
        for index, head in enumerate(self.heads):
            probabilities = head(next(tokens)).softmax(-1)
            if measure(policy, probabilities) > thresholds[index]:
                return probabilities, torch.tensor([index], dtype=torch.int32)
        probabilities = self.backbone.classify(next(tokens)).softmax(-1)
        return probabilities, torch.tensor([len(self.heads)], dtype=torch.int32)
