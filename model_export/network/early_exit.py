"""A ViT with early exits, in the three forms that training, study and export need.

References:
    Teerapittayanon et al., BranchyNet, ICPR 2016 (exits by confidence).
    Xu et al., LGViT, ACM MM 2023 (the heads, and where they sit).

Shapes in comments: B images, C classes, E early exits.
"""

from __future__ import annotations

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

    def tokens_at_exits(self, image: Tensor) -> list[Tensor]:
        """What each exit's head sees, then the tokens before the last layer (for `classify`)."""
        tokens = []
        x = self.backbone.embed(image)
        for layer, block in enumerate(self.backbone.blocks[:-1], start=1):
            x = block(x)
            if layer in self.exit_layers:
                tokens.append(self.backbone.exit_tokens(x, layer))
        return [*tokens, x]

    def forward(self, image: Tensor) -> Tensor:
        """Logits (E + 1, B, C) of every exit and, last, of the final classifier."""
        *tokens, last = self.tokens_at_exits(image)
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
        x = self.backbone.embed(image)
        done = 0
        for index, (layer, head) in enumerate(zip(self.exit_layers, self.heads, strict=True)):
            for block in self.backbone.blocks[done:layer]:
                x = block(x)
            done = layer
            probabilities = head(self.backbone.exit_tokens(x, layer)).softmax(-1)
            if measure(policy, probabilities) > thresholds[index]:
                return probabilities, torch.tensor([index], dtype=torch.int32)
        for block in self.backbone.blocks[done:-1]:
            x = block(x)
        probabilities = self.backbone.classify(x).softmax(-1)
        return probabilities, torch.tensor([len(self.heads)], dtype=torch.int32)
