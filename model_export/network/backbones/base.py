"""What a backbone is: uint8 images in, L layers that can be run one by one, a final classifier.

The rest of the package (training forms, export, MAC counts, studies) knows a backbone by this class
alone. Shapes in comments: B images, T tokens as the layers pass them on, D width.

Most are found in timm. A new kind of ours is a subclass, a value of `BackboneRecipe.kind`, a line
in `_KINDS` (`backbones/__init__.py`), and in `BackboneRecipe.exit_shape` what its layers give to a
head, if not the same after each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from model_export.network.classifier import linears
from model_export.recipe.recipe import BackboneRecipe
from model_export.recipe.timm_backbone import TimmRecipe

# What follows the layers: our names, and behind `model.` timm's.
AFTER_LAYERS = re.compile(r'(model\.)?(norm|classifier|fc_norm|head|attn_pool|final_conv)\.')


class Backbone(nn.Module):
    """A network without exits.

    Attributes:
        recipe: Its recipe; `recipe.exit_shape(layer)` says what a head is built with.
        blocks: The L layers. Layer i, counted from 1, is `blocks[i - 1]` and maps tokens to tokens:
            (B, T, D) to (B, T', D'), of static shapes. Patch merging belongs to the layer that
            follows it. Tokens are passed on as they are; only `exit_tokens` rearranges them.
        classifier: The final linear layer, or the averaged two of a DeiT (`classifier.py`).
            It comes last: the export divides a temperature into it.

    Parameters outside `blocks` whose names do not match `AFTER_LAYERS` are those of the embedding.
    """

    recipe: BackboneRecipe | TimmRecipe
    mean: Tensor
    std: Tensor
    blocks: nn.ModuleList
    classifier: nn.Module

    def __init__(self, recipe: BackboneRecipe | TimmRecipe) -> None:
        """Keep the recipe and the mean and standard deviation of pixels."""
        super().__init__()
        self.recipe = recipe
        self.register_buffer('mean', 255.0 * torch.tensor(recipe.mean).view(1, 3, 1, 1), False)
        self.register_buffer('std', 255.0 * torch.tensor(recipe.std).view(1, 3, 1, 1), False)

    def normalise(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into pixels (B, 3, H, W) of mean 0 and spread 1.

        Computed as precisely as `mean` and `std` are; then of the weights' type.
        """
        pixels = (image.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std
        return pixels.to(linears(self.classifier)[0].weight.dtype)

    def embed(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into the tokens (B, T, D) that layer 1 takes."""
        raise NotImplementedError

    def exit_tokens(self, x: Tensor, layer: int) -> Tensor:
        """Return what a head after `layer` (from 1) sees of that layer's tokens `x`.

        Returns:
            (B, K + grid * grid, width), with `width, grid = recipe.exit_shape(layer)` and
            `K = recipe.class_tokens` tokens of the whole image first: the class token; of a DeiT
            also its distillation token; of a network without them the mean of the patches. The
            patches follow, row by row.
        """
        raise NotImplementedError

    def final_tokens(self, x: Tensor) -> Tensor:
        """Return what a head would see of the last layer's tokens `x`, normalised."""
        return self.exit_tokens(self.get_submodule('norm')(x), len(self.blocks))

    def run_layers(self, x: Tensor, after: int, to: int) -> Tensor:
        """Run layers `after` + 1 to `to`, counted from 1, on tokens `x` of layer `after`.

        Layer 0 is the embedding.
        """
        for block in self.blocks[after:to]:
            x = block(x)
        return x

    def walk(self, image: Tensor, layers: Iterable[int]) -> Iterator[Tensor]:
        """Yield the tokens after each of `layers`, which rise; layer 0 is the embedding.

        A layer runs only when tokens behind it are asked for, so a caller may stop early.
        """
        x, done = self.embed(image), 0
        for layer in layers:
            x, done = self.run_layers(x, done, layer), layer
            yield x

    def classify(self, x: Tensor) -> Tensor:
        """Run the last layer on the tokens of layer L - 1; logits (B, C).

        What the classifier does not read need not be computed.
        """
        raise NotImplementedError

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (B, C) of uint8 RGB images (B, H, W, 3) at full depth."""
        return self.classify(self.run_layers(self.embed(image), 0, len(self.blocks) - 1))
