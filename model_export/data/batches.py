"""Images as the model gets them: as on the robot, or cropped and mirrored for training."""

from __future__ import annotations

import numpy as np

from eevit_ros.images.resize import Image, resize
from model_export.data.dataset import RULE
from model_export.recipe.recipe import StageRecipe


def evaluation_batch(images: Image, image_size: int) -> Image:
    """Resize as the robot does: uint8 (B, image_size, image_size, 3)."""
    return np.stack([resize(image, image_size, image_size, RULE) for image in images])


def training_batch(
    images: Image, image_size: int, recipe: StageRecipe, rng: np.random.Generator
) -> Image:
    """Random crop (of a mirrored border), random flip, then `evaluation_batch`'s resize."""
    out = np.empty((len(images), image_size, image_size, 3), np.uint8)
    for i, image in enumerate(images):
        size = image.shape[0]
        pad = round(recipe.crop_padding * size)
        padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode='reflect')
        side = max(1, round(size * rng.uniform(recipe.min_crop, 1.0)))
        top, left = rng.integers(0, size + 2 * pad - side + 1, 2)
        crop = padded[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        out[i] = resize(np.ascontiguousarray(crop), image_size, image_size, RULE)
    return out
