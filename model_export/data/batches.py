"""Images as the model takes them: resized as on the robot, or cropped and mirrored for training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from eevit_ros.images.resize import Image, resize
from model_export.data.squares import RULE
from model_export.recipe.recipe import StageRecipe


def evaluation_batch(images: Iterable[Image], image_size: int) -> Image:
    """Resize images as the robot does: uint8 (B, image_size, image_size, 3)."""
    return np.stack([resize(image, image_size, image_size, RULE) for image in images])


def training_crop(
    image: Image, image_size: int, recipe: StageRecipe, rng: np.random.Generator
) -> Image:
    """Take a random crop of a square with a mirrored border, flip it or not, and resize it."""
    size = image.shape[0]
    pad = round(recipe.crop_padding * size)
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode='reflect')
    side = max(1, round(size * rng.uniform(recipe.min_crop, 1.0)))
    top, left = rng.integers(0, size + 2 * pad - side + 1, 2)
    crop = padded[top : top + side, left : left + side]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return resize(np.ascontiguousarray(crop), image_size, image_size, RULE)
