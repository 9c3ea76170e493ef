"""Recipes: what ships is valid, what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from harness.paths import ROOT
from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.recipe import Recipe, load_recipe, recipe_from_dict, recipe_to_dict
from model_export.training.schemes import check_stages


def stage(**change: Any) -> dict[str, Any]:
    return {'stages': [{'scheme': 'end_to_end', **change}]}


SHIPPED = sorted((ROOT / 'config' / 'recipes').glob('*.yaml'))


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_build(path: Path) -> None:
    recipe = load_recipe(path)
    with torch.device('meta'):  # the largest have 100 million weights, and none is looked at
        model = EarlyExitViT(recipe)
    assert model.exit_layers == tuple(exit.layer for exit in recipe.exits)
    assert recipe.training_data and recipe.licence


def test_a_recipe_survives_yaml(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump(recipe_to_dict(recipe)))
    assert load_recipe(path) == recipe


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'exits': []}, r'distinct, rising layers. Got \[\]'),
        ({'exits': [{'layer': 3, 'head': 'mean'}, {'layer': 3, 'head': 'mean'}]}, r'Got \[3, 3\]'),
        ({'exits': [{'layer': 12, 'head': 'mean'}]}, r'after layers 1 to 11.*Got \[12\]'),
        ({'exits': [{'layer': 1}]}, r"exits\[0\]: .*'head'"),
        ({'backbone': {'image_size': 100}}, 'multiple of patch_size 16. Got 100'),
        ({'backbone': {'attention_heads': 7}}, 'multiple of attention_heads 7. Got 768'),
        ({'backbone': {'colour': 1}}, r"backbone has unknown keys \['colour'\]"),
        ({'backbone': 3}, 'backbone must be a mapping. Got 3'),
        ({'backbone': {'patch_size': 0}}, 'backbone: patch_size must be positive. Got 0'),
        ({'backbone': {'layers': 256}}, 'layers must be in 2 to 255. Got 256'),
        ({'backbone': {'width': '384'}}, "width must be a whole number. Got '384'"),
        ({'backbone': {'layer_scale': 1}}, 'layer_scale must be true or false. Got 1'),
        ({'backbone': {'mean': 0.5}}, 'mean must be a list of 3. Got 0.5'),
        ({'backbone': {'mean': [0.5, 0.5]}}, r'mean must be a list of 3. Got \[0.5, 0.5\]'),
        ({'backbone': {'mean': [0.5, 0.5, 'x']}}, "mean must be a number. Got 'x'"),
        ({'backbone': {'std': [0.5, 0.5, 0]}}, 'std must be positive'),
        ({'exits': 5}, 'exits must be a list. Got 5'),
        ({'exits': [5]}, r'exits\[0\] must be a mapping. Got 5'),
        ({'exits': [{'layer': 3.5, 'head': 'mean'}]}, r'exits\[0\]: layer must be a whole number'),
        (
            {'exits': [{'layer': 3, 'head': 'mean', 'params': None}]},
            r'exits\[0\]: params must be a mapping. Got None',
        ),
        ({'num_classes': 1}, 'num_classes must be at least 2'),
        ({'seed': -1}, 'seed must be at least 0. Got -1'),
        ({'held_out_seed': -1}, 'held_out_seed must be at least 0. Got -1'),
        ({'held_out': True}, 'held_out must be a whole number. Got True'),
        ({'name': 7}, 'name must be text. Got 7'),
        ({'stages': 5}, 'stages must be a list. Got 5'),
        ({'stages': []}, r'stages must be at least one. Got \(\)'),
        ({'stages': [{}]}, r"stages\[0\]: .*'scheme'"),
        (stage(learning_rate='fast'), "learning_rate must be a number. Got 'fast'"),
        (stage(learning_rate=float('nan')), 'learning_rate must be a number. Got nan'),
        (stage(batch_size=12.5), r'stages\[0\]: batch_size must be a whole number. Got 12.5'),
        (stage(weight_decay=-1), 'weight_decay must be at least 0. Got -1'),
        (stage(warmup_steps=-1), 'warmup_steps must be at least 0. Got -1'),
        (stage(epochs=0), 'epochs must be positive. Got 0'),
        (stage(min_steps=-1), 'min_steps must be at least 0. Got -1'),
        (stage(layer_decay=0), r'layer_decay must be in \(0, 1\]. Got 0'),
        (stage(ema=1), r'ema must be in \[0, 1\). Got 1'),
        (stage(rand_augment=31), 'rand_augment must be in 0 to 30. Got 31'),
        (stage(cache_features=True, mixup=0.2), 'mixup must be 0 with cache_features. Got 0.2'),
        ({'stages': [], 'stage1': {}}, r"unknown keys \['stage1'\]"),
        ({'stage1': 5}, 'stage1 and stage2 must be mappings. Got 5'),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], message: str) -> None:
    data = {'name': 'x', 'backbone': {}, 'exits': [{'layer': 3, 'head': 'mean'}], **change}
    with pytest.raises(ModelExportError, match=message):
        recipe_from_dict(data)


def test_a_number_that_yaml_takes_for_text_is_a_number() -> None:
    text = 'name: x\nbackbone: {}\nexits: [{layer: 3, head: mean}]\n'
    data = yaml.safe_load(text + 'stages: [{scheme: backbone, learning_rate: 1e-3}]')
    assert data['stages'][0]['learning_rate'] == '1e-3'
    assert recipe_from_dict(data).stages[0].learning_rate == 1e-3


def test_the_held_out_images_have_a_seed_of_their_own() -> None:
    data = {'name': 'x', 'backbone': {}, 'exits': [{'layer': 3, 'head': 'mean'}]}
    of_before = recipe_from_dict({**data, 'seed': 3})
    assert of_before.held_out_seed == 3  # files that know no other seed
    assert 'held_out_seed' not in recipe_to_dict(of_before)
    recipe = recipe_from_dict({**data, 'seed': 3, 'held_out_seed': 0})
    assert recipe.held_out_seed == 0
    assert recipe_from_dict(recipe_to_dict(recipe)) == recipe


def test_two_stages_as_files_held_them_before_are_a_list_now() -> None:
    data = {'name': 'x', 'backbone': {}, 'exits': [{'layer': 3, 'head': 'mean'}]}
    old = {
        'stage1': {'epochs': 4, 'distill_weight': 0.0, 'distill_temperature': 2.0},
        'stage2': {'epochs': 2, 'distill_weight': 0.5, 'distill_temperature': 2.0},
    }
    backbone, heads = recipe_from_dict({**data, **old}).stages
    assert (backbone.scheme, backbone.epochs, backbone.params) == ('backbone', 4, {})
    assert (heads.scheme, heads.epochs) == ('classifier_wise', 2)
    assert heads.params == {'distill_weight': 0.5, 'distill_temperature': 2.0}
    assert recipe_from_dict({**data, 'stage1': {}}) == recipe_from_dict(data)


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        ({'scheme': 'magic'}, r"stages\[1\]: unknown scheme 'magic'; known are .*'envit'"),
        ({'scheme': 'no_module.Mine'}, "scheme 'no_module.Mine' cannot be imported"),
        ({'scheme': 'pathlib.Path'}, 'must be a class derived from Scheme'),
        ({'scheme': 'envit', 'params': {'beta': 1}}, r"unknown keys \['beta'\]; known are"),
        ({'scheme': 'envit', 'params': {'alpha': 2}}, r'alpha must be in \[0, 1\]. Got 2'),
        ({'scheme': 'envit', 'params': {'alpha': 'x'}}, "alpha must be a number. Got 'x'"),
        ({'scheme': 'sdn', 'cache_features': True}, 'cache_features needs a scheme'),
    ],
)
def test_a_wrong_scheme_is_named_before_data_are_read(
    entry: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = {'name': 'x', 'backbone': {}, 'exits': [{'layer': 3, 'head': 'mean'}]}
    path = tmp_path / 'recipe.yaml'
    path.write_text(yaml.safe_dump({**data, 'stages': [{'scheme': 'backbone'}, entry]}))
    with pytest.raises(ModelExportError, match=message):
        check_stages(load_recipe(path))


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelExportError, match='cannot read recipe .*none.yaml'):
        load_recipe(tmp_path / 'none.yaml')
    broken = tmp_path / 'broken.yaml'
    for content in (b'exits: [', b'\xff\xfe\x00', b'name: !!bool x', b'name: 2020-13-45'):
        broken.write_bytes(content)
        with pytest.raises(ModelExportError, match='cannot read recipe .*broken.yaml'):
            load_recipe(broken)
