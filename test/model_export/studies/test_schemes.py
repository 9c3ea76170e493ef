"""The comparison of schemes: it goes on where it was stopped, and its results become tables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from model_export.errors import ModelExportError
from model_export.recipe.recipe import Recipe, recipe_from_dict
from model_export.studies.registry import StudyInputs
from model_export.studies.schemes import study as schemes
from model_export.studies.schemes.plan import load_plan
from model_export.studies.schemes.run import Point, Result, read_result
from model_export.studies.schemes.study import study
from model_export.weights.stored import load_model, save_weights
from test.model_export.random_model import CLASSES, random_model

BACKBONE = {'image_size': 12, 'patch_size': 4, 'width': 16, 'layers': 3, 'attention_heads': 2}
EXITS = [{'layer': 1, 'head': 'linear'}, {'layer': 2, 'head': 'mean'}]
PLAN = {
    'name': 'tiny',
    'base': {'num_classes': 4, 'held_out': 40, 'backbone': BACKBONE},
    'stage': {'epochs': 0.3, 'batch_size': 20, 'warmup_steps': 0},
    'exits': {'two': EXITS},
    'systems': [
        {'name': 'none', 'title': 'no exits', 'exits': 'two', 'early': False,
         'stages': [{'scheme': 'backbone'}]},
        {'name': 'heads', 'title': 'heads alone', 'exits': 'two', 'start': 'none',
         'stages': [{'scheme': 'vit_ee'}]},
    ],
}  # fmt: skip


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A network without exits, and heads attached to it."""
    return write(PLAN, tmp_path)


def write(plan: object, folder: Path) -> Path:
    path = folder / 'plan.yaml'
    path.write_text(yaml.safe_dump(plan))
    return path


def test_a_comparison_goes_on_where_it_was_killed(
    plan: Path, colour_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = random_model(recipe_from_dict({**PLAN['base'], 'name': 'start', 'exits': EXITS}))
    save_weights(start, CLASSES, 'other data', tmp_path / 'weights')
    inputs = StudyInputs(
        tmp_path / 'out',
        weights=tmp_path / 'weights',
        data=colour_folder,
        cache=tmp_path / 'cache',
        plan=plan,
        seeds=(1,),
    )
    begun: list[str] = []
    train = schemes.train

    def until(count: int):
        def noted(recipe: Recipe, *rest: object, **options: object) -> object:
            if len(begun) == count:
                raise KeyboardInterrupt
            begun.append(recipe.name)
            return train(recipe, *rest, **options)

        return noted

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(schemes, 'train', until(2))
        study(inputs)
    results = tmp_path / 'out' / 'schemes' / 'tiny'
    assert [path.name for path in results.iterdir()] == ['none-1.json']
    begun.clear()
    monkeypatch.setattr(schemes, 'train', until(9))
    found = study(inputs)
    assert begun == ['none-1', 'heads-1']  # the former is finished and only loaded
    systems, exits = found.tables
    assert [row[:3] for row in systems.rows] == [
        ('no exits', 'linear, mean', '1'),
        ('heads alone', 'linear, mean', '1'),
    ]
    assert systems.rows[0][3] == systems.rows[1][3]  # heads leave the backbone as it was
    assert [row[0] for row in exits.rows] == ['heads alone']
    result = read_result(results / 'heads-1.json')
    assert result.layers == (1, 2, 3) and result.steps == 3
    assert result.speedup[-1] == 1

    # Its run can be exported: the seed of the run is not that of the held-out images.
    recipe = load_model(tmp_path / 'cache' / 'none-1')[0].recipe
    assert (recipe.seed, recipe.held_out_seed) == (1, 0)


def test_accuracy_between_two_points_of_the_curve() -> None:
    curve = (Point(1.0, 1.0, 0.8), Point(2.0, 2.0, 0.6))
    result = Result('x-0', 'key', (1, 2), (0.5, 0.8), (2.0, 1.0), curve, 3)
    assert result.at(1.25) == pytest.approx(0.75)
    assert result.at(2.5) is None and result.at(0.9) is None


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'start': 'later'}, r"starts from 'later', which must stand before it. There are \['none"),
        ({'exits': 'three'}, r"has exits 'three'; known are \['two'\]"),
        ({'name': 'none'}, "two systems named 'none'"),
        ({'stages': [{'scheme': 'magic'}]}, "system 'heads', .*unknown scheme 'magic'"),
        ({'stages': [{'scheme': 'sdn', 'epochs': 0}]}, 'epochs must be positive. Got 0'),
    ],
)
def test_a_plan_that_does_not_hold_is_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    first, second = PLAN['systems']
    with pytest.raises(ModelExportError, match=message):
        load_plan(write({**PLAN, 'systems': [first, {**second, **change}]}, tmp_path))


def test_without_seeds_and_results_it_says_what_to_do(plan: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match='name --seeds, so that runs are done'):
        study(StudyInputs(tmp_path, plan=plan))


def test_a_result_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'x-0.json'
    path.write_text('{"run": ')
    with pytest.raises(
        ModelExportError, match=r'x-0.json is not the result of a run .*: remove it'
    ):
        read_result(path)
