"""Parameters and MACs by component add up to what the model has and what torch counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_export.__main__ import main
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import count_macs
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe, recipe_to_dict
from model_export.studies.cost.count import Cost, count
from model_export.studies.cost.study import study
from model_export.studies.registry import StudyInputs

WIDTH, TOKENS, CLASSES = 24, 37, 4  # of the tiny recipe


def total(costs: dict[tuple[str, str], Cost], **where: str) -> Cost:
    place, component = where.get('place'), where.get('component')
    chosen = [
        cost
        for key, cost in costs.items()
        if (place is None or key[0].startswith(place))
        and (component is None or key[1] == component)
    ]
    return sum(chosen, Cost())


@pytest.mark.parametrize('kind', [{}, {'kind': 'deit'}, {'registers': 2}])
def test_everything_is_counted_once(recipe: Recipe, kind: dict[str, Any]) -> None:
    backbone = dataclasses.replace(recipe.backbone, **kind)
    model = EarlyExitViT(dataclasses.replace(recipe, backbone=backbone)).eval()
    for form in (model, fold(model)):
        costs, macs = count(form), count_macs(form)
        assert total(costs).macs == macs.backbone + sum(macs.heads)
        assert total(costs, place='head').macs == sum(macs.heads)
        for layer, head in zip(form.exit_layers, macs.heads, strict=True):
            assert total(costs, place=f'head after {layer}').macs == head
        assert total(costs, component='other') == Cost()
    assert total(count(model)).parameters == sum(p.numel() for p in model.parameters())


def test_a_swin_merges_patches_in_the_first_layer_of_a_stage(recipe: Recipe) -> None:
    backbone = BackboneRecipe(
        kind='swin', image_size=32, patch_size=2, width=12, layers=4, depths=(2, 2), window=4,
        attention_heads=2,
    )  # fmt: skip
    model = EarlyExitViT(
        dataclasses.replace(recipe, backbone=backbone, exits=(ExitRecipe(3, 'linear'),))
    ).eval()
    costs, macs = count(model), count_macs(model)
    assert costs['3', 'patch merging'].macs == 8 * 8 * 48 * 24
    assert total(costs).macs == macs.backbone + sum(macs.heads)
    assert total(costs, component='other') == Cost()


def test_components_of_one_layer(model: EarlyExitViT) -> None:
    costs = count(model)
    assert costs['2', 'MLP'].macs == TOKENS * 2 * WIDTH * 4 * WIDTH
    assert costs['2', 'MLP'].parameters == 2 * WIDTH * 4 * WIDTH + 5 * WIDTH
    assert costs['2', 'attention'].macs == TOKENS * 4 * WIDTH**2 + 2 * TOKENS**2 * WIDTH
    assert costs['2', 'norms and gains'] == Cost(parameters=6 * WIDTH)
    assert costs['final', 'final classifier'] == Cost((WIDTH + 1) * CLASSES, WIDTH * CLASSES)
    assert costs['5', 'MLP'].macs == 2 * WIDTH * 4 * WIDTH  # the class token's row alone


def test_a_folded_head_does_not_count_what_it_no_longer_uses(model: EarlyExitViT) -> None:
    trained, folded = count(model), count(fold(model))
    # LPH: the projection and both norms around it become one matrix to the classes.
    projection = WIDTH * (WIDTH + 1) + 4 * WIDTH
    before, after = (total(costs, place='head after 1') for costs in (trained, folded))
    assert after.parameters == before.parameters - projection + WIDTH * CLASSES
    assert after.macs < before.macs


def test_the_command_takes_a_recipe(recipe: Recipe, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / 'tiny.yaml'
    path.write_text(yaml.safe_dump(recipe_to_dict(recipe)))
    out = tmp_path / 'studies'
    assert main(['study', 'all', '--weights', str(path), '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert 'thresholds: skipped, it needs --model --data' in said
    document = (tmp_path / 'studies.md').read_text()
    assert 'python -m model_export study cost --weights tiny.yaml --out studies' in document
    assert '(studies/cost-macs.png)' in document
    assert str(tmp_path) not in document


def test_a_study_that_fails_does_not_cost_the_others(
    recipe: Recipe, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / 'tiny.yaml'
    path.write_text(yaml.safe_dump(recipe_to_dict(recipe)))
    words = ['study', 'all', '--weights', path, '--model', tmp_path / 'no.onnx']
    assert main([str(word) for word in (*words, '--out', tmp_path / 'studies')]) == 1
    said = capsys.readouterr().err
    assert 'error: study latency: ' in said and 'does not exist' in said
    assert '## Parameters and MACs' in (tmp_path / 'studies.md').read_text()


def test_a_missing_input_is_named(tmp_path: Path, capsys: Any) -> None:
    assert main(['study', 'cost', '--out', str(tmp_path)]) == 2
    assert 'study cost needs --weights' in capsys.readouterr().err


def test_heads_are_compared_with_their_layer(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / 'tiny.yaml'
    one = dataclasses.replace(recipe, exits=(ExitRecipe(2, 'linear'),))
    path.write_text(yaml.safe_dump(recipe_to_dict(one)))
    heads = study(StudyInputs(out=tmp_path, weights=path)).tables[2]
    (row,) = (dict(zip(heads.columns, row, strict=True)) for row in heads.rows)
    assert row['head'] == 'linear' and row['after layer'] == 2
    assert row['M MACs'] == row['M MACs, folded'] == WIDTH * CLASSES / 1e6
