"""A recipe and a data set small enough to train in a second."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from model_export.data import Dataset
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import Recipe, recipe_from_dict
from test.model_export.random_model import CLASSES, random_model

# They need timm, torchvision and transformers: `make test-backbones` has them.
collect_ignore = [] if importlib.util.find_spec('timm') else ['backbones']


@pytest.fixture(scope='session')
def recipe() -> Recipe:
    return recipe_from_dict(
        {
            'name': 'tiny',
            'num_classes': 4,
            'held_out': 40,
            'backbone': {
                'image_size': 24,
                'patch_size': 4,
                'width': 24,
                'layers': 5,
                'attention_heads': 2,
                'layer_scale': True,
            },
            'exits': [
                {'layer': 1, 'head': 'lph', 'params': {'kernel': 3}},
                {'layer': 2, 'head': 'lph', 'params': {'kernel': 1, 'hidden': 8}},
                {'layer': 3, 'head': 'gah', 'params': {'window': 2}},
                {'layer': 4, 'head': 'mean'},
            ],
            'stages': [
                {
                    'scheme': 'backbone',
                    'epochs': 6,
                    'batch_size': 20,
                    'learning_rate': 3e-3,
                    'warmup_steps': 5,
                },
                {
                    'scheme': 'classifier_wise',
                    'params': {'distill_weight': 0.5},
                    'epochs': 6,
                    'batch_size': 20,
                    'learning_rate': 3e-3,
                    'warmup_steps': 5,
                },
            ],
            'training_data': 'four colours',
            'licence': 'none',
        }
    )


@pytest.fixture(scope='session')
def quick_exports() -> Iterator[None]:
    """Let torch collect its translations to ONNX once: for each export anew it takes a fifth."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    collect = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, 'from_torchlib', collect)
        yield


@pytest.fixture
def model(recipe: Recipe) -> EarlyExitViT:
    return random_model(recipe)


@pytest.fixture(scope='session')
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (8, 24, 24, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope='session')
def colours() -> Dataset:
    """240 noisy images, 12 pixels square, whose class is their colour."""
    rng = np.random.default_rng(2)
    labels = np.arange(240) % 4
    centre = np.array([[40, 40, 40], [190, 40, 40], [40, 190, 40], [40, 40, 190]])[labels]
    noise = rng.integers(-40, 41, (240, 12, 12, 3))
    images = np.clip(centre[:, None, None, :] + noise, 0, 255).astype(np.uint8)
    return Dataset(images, labels.astype(np.int64), CLASSES)
