"""A backbone that is a model of timm, walked layer by layer."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from model_export.network.backbones.base import Backbone
from model_export.recipe.timm_backbone import TimmRecipe
from model_export.timm_models.create import create_model
from model_export.timm_models.take_apart import row_of


class TimmBackbone(Backbone):
    """What timm's model is made of, under the names that a backbone has."""

    recipe: TimmRecipe

    def __init__(self, recipe: TimmRecipe, num_classes: int) -> None:
        """Make the recipe's model with random weights.

        Raises:
            ModelExportError: timm cannot make it, or its body is no row of layers.
        """
        super().__init__(recipe)
        make = partial(
            create_model, recipe.model, recipe.image_size, num_classes, dict(recipe.params)
        )
        self.row = row_of(make, recipe.model, recipe.image_size)
        self.model = self.row.model
        self.blocks = self.row.blocks
        self.classifier = self.row.classifier

    def embed(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into what layer 1 takes."""
        return self.row.embed(self.normalise(image))

    def exit_tokens(self, x: Tensor, layer: int) -> Tensor:
        """Return the class token, or the mean of the patches, and the patches."""
        return self.row.tokens(x)

    def final_tokens(self, x: Tensor) -> Tensor:
        """Return what a head would see of the last layer's tokens `x`, as the classifier does."""
        return self.row.tokens(self.row.finish(x))

    def classify(self, x: Tensor) -> Tensor:
        """Run the last layer on tokens of layer L - 1; logits (B, C)."""
        return self.classifier(self.row.features(self.blocks[-1](x)))
