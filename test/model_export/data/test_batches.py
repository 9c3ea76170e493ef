"""Training crops, and the robot's resize."""

from __future__ import annotations

import numpy as np

from eevit_ros.images.resize import ResizeRule, resize
from model_export.data import Dataset, evaluation_batch
from model_export.data.batches import training_crop
from model_export.recipe.recipe import StageRecipe


def test_training_crops_are_repeatable_and_stay_in_the_image(colours: Dataset) -> None:
    recipe = StageRecipe(scheme='backbone', min_crop=0.6)
    for seed, image in enumerate(colours.images[:8]):
        crop, again = (
            training_crop(image, 24, recipe, np.random.default_rng(seed)) for _ in range(2)
        )
        np.testing.assert_array_equal(crop, again)
        assert crop.shape == (24, 24, 3)
        # The mirrored border adds no new colours.
        assert crop.min() >= image.min() and crop.max() <= image.max()


def test_evaluation_resizes_as_the_robot_does() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (1, 40, 60, 3), np.uint8)
    batch = evaluation_batch(wide, 12)[0]
    np.testing.assert_array_equal(batch, resize(wide[0], 12, 12, ResizeRule()))
    for other in (ResizeRule('stretch'), ResizeRule(antialias=False)):
        assert not np.array_equal(batch, resize(wide[0], 12, 12, other))
