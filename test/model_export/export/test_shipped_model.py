"""The recipe, the weights and the model file that ship are one model."""

from __future__ import annotations

import numpy as np
import torch

from eevit_ros.model.engine import Engine
from harness.paths import ROOT
from model_export.calibration.temperatures import TEMPERATURES
from model_export.recipe.recipe import load_recipe
from model_export.weights.stored import load_model


def test_recipe_weights_and_model_file_belong_together() -> None:
    model, class_names = load_model(ROOT / 'models' / 'weights')
    engine = Engine(ROOT / 'models' / 'eevit_s14_cifar100.onnx')
    assert model.recipe == load_recipe(ROOT / 'config' / 'recipes' / 'cifar100_vit_s14.yaml')
    assert class_names == engine.metadata.class_names
    assert model.exit_layers == engine.metadata.exit_layers

    images = np.random.default_rng(0).integers(0, 256, (3, 84, 84, 3), np.uint8)
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).double()
    exits = len(model.exit_layers)
    for exit_index in range(exits + 1):
        engine.thresholds = [float(i < exit_index) for i in range(exits)]
        temperatures = []
        for n, image in enumerate(images):
            found = np.log(engine.run(image).probabilities.astype(np.float64))
            expected = logits[exit_index, n].numpy()
            # The file differs by its temperature alone, up to float16 and softmax's constant.
            found, expected = found - found.mean(), expected - expected.mean()
            temperature = float(expected @ expected / (expected @ found))
            np.testing.assert_allclose(found * temperature, expected, atol=0.1)
            temperatures.append(temperature)
        assert TEMPERATURES[0] <= min(temperatures)
        np.testing.assert_allclose(temperatures, temperatures[0], rtol=0.02)
