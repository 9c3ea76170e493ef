"""Copies of held-out images as a worse camera would show them."""

from __future__ import annotations

import numpy as np

from model_export.calibration.degrade import degraded


def test_copies_are_repeatable_and_spread_over_kinds_and_strengths() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    images = np.repeat(picture[np.newaxis], 24, axis=0)
    copies = degraded(images)
    assert copies.dtype == np.uint8 and np.array_equal(copies, degraded(images))
    assert not np.array_equal(copies, degraded(images, seed=1))
    assert np.array_equal(images[0], picture) and not (copies == images).all((1, 2, 3)).any()
    means = [int(copy.mean()) for copy in copies]
    darker = [mean for mean in means if mean < 0.7 * picture.mean()]
    assert len(darker) == 6 and len(set(darker)) == 3  # one kind of four, three strengths
    plain = [copy.std() / picture.std() for copy, mean in zip(copies, means, strict=True)]
    assert sum(share < 0.6 for share in plain) >= 12  # the dark, the blurred and the flat


def test_few_images_are_enough() -> None:
    assert degraded(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, 8, 8, 3)
    assert degraded(np.full((1, 8, 8, 3), 90, np.uint8)).shape == (1, 8, 8, 3)
