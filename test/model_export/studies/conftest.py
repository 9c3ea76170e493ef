"""Saved weights, a folder of images and made-up answers: what a study is given."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from eevit_ros.model.metadata import ModelMetadata
from model_export.data import RULE, Dataset, fingerprint, load_split
from model_export.measuring.answers import Answers
from model_export.recipe.recipe import Recipe
from model_export.weights.stored import save_weights
from test.model_export.random_model import CLASSES, random_model


@pytest.fixture(scope='session')
def colour_folder(colours: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The colours as `train` and, a few of them, as `test`."""
    folder = tmp_path_factory.mktemp('colours')
    for split, count in (('train', len(colours)), ('test', 60)):
        for i in range(count):
            # Numbered, so that the classes keep their order.
            label = colours.labels[i]
            path = folder / split / f'{label}-{CLASSES[label]}' / f'{i:03}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            image = colours.images[i] if split == 'train' else colours.images[i][::-1]
            cv2.imwrite(str(path), image[..., ::-1])
    return folder


@pytest.fixture(scope='session')
def colour_weights(
    recipe: Recipe, colour_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Weights of a random model that say they were trained on `colour_folder`."""
    folder = tmp_path_factory.mktemp('weights') / 'colours'
    train = load_split(colour_folder, 'train', recipe.backbone.image_size)
    save_weights(random_model(recipe), train.class_names, fingerprint(train), folder)
    return folder


@pytest.fixture
def colour_answers(recipe: Recipe, colour_folder: Path) -> Answers:
    """Class 0 leaves first and is right; class 3 leaves last and is taken for class 2.

    Class 1 leaves in the middle, right; class 2 leaves there too, every second image wrong (as 1).
    """
    test = load_split(colour_folder, 'test', 24)
    exits = len(recipe.exits)
    leaves = np.array([0, 2, 2, exits])[test.labels]
    answer = np.array([0, 1, 2, 2])[test.labels]
    answer[np.flatnonzero(test.labels == 2)[::2]] = 1
    probabilities = np.full((exits + 1, len(test), 4), 0.25, np.float32)
    for i, (first, said) in enumerate(zip(leaves, answer, strict=True)):
        probabilities[first:, i] = 0.04
        probabilities[first:, i, said] = 0.88
    metadata = ModelMetadata(
        name='colours',
        class_names=test.class_names,
        exit_layers=(1, 2, 3, 4),
        layers=5,
        input_height=24,
        input_width=24,
        resize=RULE,
        default_thresholds=(0.5,) * exits,
        macs=(10, 20, 30, 40, 50),
        head_macs=(1, 1, 1, 1),
        backbone_macs=46,
        accuracy=(0.5,) * (exits + 1),
        accuracy_data='made up',
        training_data='made up',
        licence='none',
    )
    return Answers(probabilities, test.labels, metadata, 'test, made up')
