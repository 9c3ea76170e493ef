"""The average of trained models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_export.errors import ModelExportError
from model_export.recipe.recipe import Recipe
from model_export.weights.average import load_average
from model_export.weights.stored import load_model, save_weights
from test.model_export.random_model import CLASSES, random_model

DATA = '240 images, labels 0123456789abcdef'


def test_each_weight_is_the_mean_and_the_recipe_that_of_the_first(
    recipe: Recipe, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in 'abc']
    states = []
    for seed, folder in enumerate(folders):
        model = random_model(replace(recipe, seed=seed))
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.mul_(1 + seed)
        save_weights(model, CLASSES, DATA, folder)
        states.append(load_model(folder)[0].state_dict())
    average, names = load_average(folders)
    assert names == CLASSES
    assert average.recipe == load_model(folders[0])[0].recipe
    assert not average.training
    for name, tensor in average.state_dict().items():
        expected = torch.stack([state[name].double() for state in states]).mean(dim=0)
        torch.testing.assert_close(tensor.double(), expected, atol=1e-6, rtol=1e-6)
    alone, _ = load_average(folders[:1])
    assert all(torch.equal(alone.state_dict()[name], one) for name, one in states[0].items())


@pytest.mark.parametrize('differs', ['held_out_seed', 'classes or data'])
def test_models_that_do_not_belong_together_are_refused(
    recipe: Recipe, tmp_path: Path, differs: str
) -> None:
    model = random_model(recipe)
    save_weights(model, CLASSES, DATA, tmp_path / 'a')
    if differs == 'held_out_seed':
        other = random_model(replace(recipe, held_out_seed=7))
        save_weights(other, CLASSES, DATA, tmp_path / 'b')
    else:
        save_weights(model, CLASSES, 'other images', tmp_path / 'b')
    with pytest.raises(ModelExportError, match=f'cannot be averaged with .*: .* {differs}\\.'):
        load_average([tmp_path / 'a', tmp_path / 'b'])
