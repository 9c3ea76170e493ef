"""How many steps a stage takes, and how it shows them."""

from __future__ import annotations

import dataclasses
import io
import sys

import pytest

from model_export.errors import ModelExportError
from model_export.progress import progress
from model_export.recipe.recipe import Recipe, StageRecipe, recipe_from_dict, recipe_to_dict
from model_export.training.optimise import steps_of


@pytest.mark.parametrize(
    ('images', 'steps'), [(483, 110), (32 * 109, 110), (32 * 200, 200), (32, 110)]
)
def test_a_small_set_takes_the_least_steps_and_a_large_one_its_epochs(
    images: int, steps: int
) -> None:
    assert (
        steps_of(StageRecipe('backbone', epochs=1, batch_size=32, min_steps=110), images) == steps
    )


def test_a_set_smaller_than_a_batch_makes_no_step() -> None:
    with pytest.raises(ModelExportError, match='31 training images at batch_size 32'):
        steps_of(StageRecipe('backbone', batch_size=32, min_steps=110), 31)


def test_a_recipe_without_a_least_number_is_stored_as_before(recipe: Recipe) -> None:
    stored = recipe_to_dict(recipe)
    assert not any('min_steps' in stage for stage in stored['stages'])
    least = dataclasses.replace(recipe.stages[0], min_steps=7)
    other = dataclasses.replace(recipe, stages=(least, recipe.stages[1]))
    assert recipe_from_dict(recipe_to_dict(other)) == other != recipe


def test_a_log_file_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = [0.0], io.StringIO()
    monkeypatch.setattr(sys, 'stderr', log)
    bar = progress(range(300), 'steps')
    bar._time = lambda: now[0]
    for _ in bar:
        now[0] += 1.0  # 300 seconds
    lines = log.getvalue().splitlines()
    assert '\r' not in log.getvalue()
    assert 2 <= len(lines) <= 8 and '300/300' in lines[-1]
