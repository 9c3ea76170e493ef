"""Exits at equal MAC distance, LGViT's schemes and heads, and the command that prints them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_export.__main__ import main
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.macs import count_macs
from model_export.planner import Costs, costs, equal_steps, head_after, leaving, place
from model_export.recipe.recipe import BackboneRecipe, Recipe, load_recipe, recipe_from_dict

RECIPES = Path('config/recipes')
VIT = BackboneRecipe(image_size=32, patch_size=8, width=24, layers=6, attention_heads=2)
SWIN = BackboneRecipe(
    kind='swin',
    image_size=32,
    patch_size=4,
    width=8,
    layers=6,
    attention_heads=2,
    depths=(1, 3, 2),
    window=4,
)
DEIT = BackboneRecipe(
    kind='deit', image_size=32, patch_size=8, width=24, layers=6, attention_heads=2
)


def squares(costs: Costs, layers: tuple[int, ...], first: int | None) -> int:
    """The sum of squared steps between the exits, counted plainly."""
    steps, last = [], 0
    for layer in (*layers, len(costs.layers)):
        head = costs.heads[layer - 1] if layer <= len(costs.heads) else 0
        steps.append(sum(costs.layers[last:layer]) + head)
        last = layer
    return sum(step**2 for step in steps[0 if first is None else 1 :])


@st.composite
def plans(draw: st.DrawFn) -> tuple[Costs, int, int | None]:
    size = draw(st.integers(2, 8))
    layers = draw(st.lists(st.integers(1, 1000), min_size=size, max_size=size))
    heads = draw(st.lists(st.integers(0, 300), min_size=size - 1, max_size=size - 1))
    first = draw(st.none() | st.integers(1, size - 1))
    count = draw(st.integers(1, size - (first or 1)))
    return Costs(tuple(layers), tuple(heads)), count, first


@given(plans())
def test_steps_are_as_equal_as_whole_layers_allow(plan: tuple[Costs, int, int | None]) -> None:
    costs, count, first = plan
    layers = equal_steps(costs, count, first)
    assert len(layers) == count and list(layers) == sorted(set(layers))
    assert first is None or layers[0] == first
    others = itertools.combinations(range(1, len(costs.layers)), count)
    assert squares(costs, layers, first) == min(
        squares(costs, other, first) for other in others if first in (None, other[0])
    )


@given(st.integers(1, 11))
def test_equal_layers_give_equal_distances(step: int) -> None:
    count = 4
    costs = Costs((10,) * (step * (count + 1)), (0,) * (step * (count + 1) - 1))
    assert equal_steps(costs, count) == tuple(step * i for i in range(1, count + 1))


@pytest.mark.parametrize('backbone', [VIT, DEIT, SWIN], ids=lambda recipe: recipe.kind)
def test_costs_are_those_of_the_deployed_model(backbone: BackboneRecipe) -> None:
    exits = place(backbone, 3, num_classes=4)
    macs = count_macs(fold(EarlyExitViT(Recipe('planned', backbone, exits, 4))))
    counted = costs(backbone, 4)
    assert leaving(counted, exits) == list(macs.leaving)
    assert sum(counted.layers) == macs.backbone


@pytest.mark.parametrize(
    ('scheme', 'layers'), [('shallow', [1, 2, 3]), ('middle', [2, 3, 4]), ('deep', [3, 4, 5])]
)
def test_dense_schemes(scheme: str, layers: list[int]) -> None:
    assert [exit.layer for exit in place(VIT, 3, scheme)] == layers


def test_heads_are_lgvits_at_its_own_exits() -> None:
    sizes = {'lph': 'kernel', 'gah': 'window'}
    for name in ('lgvit_swin_b', 'lgvit_vit_b16', 'lgvit_deit_b16'):
        recipe = load_recipe(RECIPES / f'{name}.yaml')
        assert len(recipe.exits) == 8
        for exit in recipe.exits:
            planned = head_after(recipe.backbone, exit.layer)
            assert planned.head == exit.head
            size = sizes[exit.head]
            assert planned.params[size] == exit.params[size], f'{name}, layer {exit.layer}'


def test_a_window_of_a_small_grid_fits_in() -> None:
    backbone = BackboneRecipe(image_size=16, patch_size=8, width=8, layers=6, attention_heads=2)
    assert head_after(backbone, 5).params == {'window': 2, 'attention_heads': 2}


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'count': 3, 'scheme': 'random'}, "scheme must be one of .*'uniform'.* Got 'random'"),
        ({'count': 6}, 'in 1 to 5. Got 6'),
        ({'count': 0}, 'in 1 to 5. Got 0'),
        ({'count': 3, 'first': 4}, 'in 1 to 2. Got 3'),
        ({'count': 1, 'first': 6}, 'first must be in 1 to 5. Got 6'),
        ({'count': 1, 'first': 2, 'scheme': 'deep'}, "scheme uniform only. Got 'deep'"),
    ],
)
def test_what_cannot_be_planned(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ModelExportError, match=message):
        place(VIT, **arguments)


def test_the_command_prints_exits_to_paste(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        'name: planned\nnum_classes: 4\n'
        'backbone: {image_size: 32, patch_size: 8, width: 24, layers: 6, attention_heads: 2}\n'
    )
    assert main(['plan', str(recipe), '--exits', '3', '--first', '2']) == 0
    table, block = capsys.readouterr().out.split('\n\n')
    exits = yaml.safe_load(block)['exits']
    planned = recipe_from_dict({**yaml.safe_load(recipe.read_text()), 'exits': exits})
    assert planned.exits == place(VIT, 3, first=2)
    rows = table.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [str(e.layer) for e in planned.exits] + ['6']
    assert main(['plan', str(tmp_path / 'none.yaml'), '--exits', '3']) == 1
    assert 'cannot read recipe' in capsys.readouterr().err
