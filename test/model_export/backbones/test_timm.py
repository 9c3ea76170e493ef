"""Any model of timm with exits: its own logits at the end, files that answer as torch does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from benchmarks.random_file import write_random
from model_export.errors import ModelExportError
from model_export.export.check import check
from model_export.export.onnx_writer import round_weights_to_half
from model_export.network.fold import check_fold, fold
from model_export.network.heads import head_names
from model_export.network.macs import count_macs
from model_export.planner import costs
from model_export.pretrained import start_from
from model_export.recipe.recipe import ExitRecipe, StageRecipe, recipe_from_dict
from model_export.studies.cost.count import count, total
from model_export.training.optimise import parameter_groups
from test.model_export.backbones.tiny import (
    CLASSES,
    TINY,
    file_of,
    images_of,
    model_of,
    pixels_of,
    recipe_of,
    theirs,
)

TOLERANCE = 1e-4


@pytest.mark.parametrize('name', TINY)
def test_the_last_exit_gives_timms_logits_and_every_exit_leaves_in_the_file(
    name: str, tmp_path: Path
) -> None:
    recipe, peer = recipe_of(name), theirs(name)
    model, image = model_of(recipe), images_of(recipe)
    said = start_from(model, file_of(peer, tmp_path / 'model.safetensors'))
    assert 'classifier taken' in said
    with torch.no_grad():
        expected = peer(pixels_of(recipe, image))
        torch.testing.assert_close(model(image)[-1], expected, atol=TOLERANCE, rtol=0)
        folded = fold(model)
        check_fold(model, folded, image)
    round_weights_to_half(folded)
    macs = write_random(folded, tmp_path / 'model.onnx')
    proto = onnx.load(tmp_path / 'model.onnx')
    assert check(proto, folded, image.numpy()) <= TOLERANCE
    assert list(macs.leaving) == sorted(macs.leaving)
    planned = costs(recipe.backbone, CLASSES)
    assert sum(planned.layers) == macs.backbone


def test_heads_see_the_class_token_or_else_the_mean_and_then_the_patches_alone() -> None:
    for name, tokens in (
        ('vit_small_patch14_reg4_dinov2', 5),
        ('vit_base_patch16_siglip_224', 0),
        ('deit3_small_patch16_224', 1),
    ):
        recipe = recipe_of(name)
        backbone = model_of(recipe).backbone
        x = backbone.embed(images_of(recipe))
        assert x.shape[1] == tokens + 16
        seen = backbone.exit_tokens(x, 1)
        assert torch.equal(seen[:, 1:], x[:, tokens:])
        first = x[:, 0] if tokens else x.mean(dim=1)
        torch.testing.assert_close(seen[:, 0], first)


def test_maps_of_channels_first_are_read_row_by_row() -> None:
    words = {'layers': [1, 1, 1, 1], 'embed_dims': [16, 16, 32, 32]}
    recipe = recipe_of_any('fastvit_t8', image_size=64, params=words)
    model = model_of(recipe)
    x = next(model.backbone.walk(images_of(recipe), [1]))  # (B, 16, 16, 16)
    seen = model.backbone.exit_tokens(x, 1)
    assert torch.equal(seen[:, 1 + 16 * 2 + 3], x[:, :, 2, 3])
    assert recipe.backbone.exit_shape(4) == (32, 2)
    assert count_macs(fold(model)).backbone > 0


def recipe_of_any(name: str, image_size: int = 64, **backbone: Any) -> Any:
    words = {'kind': 'timm', 'model': name, 'image_size': image_size, **backbone}
    exits = [{'layer': 1, 'head': 'mean'}]
    return recipe_from_dict({'name': name, 'num_classes': 3, 'backbone': words, 'exits': exits})


@pytest.mark.parametrize(
    ('name', 'backbone', 'said'),
    [
        ('vit_smal_patch16_dinov3', {}, 'Nearest are vit_small_patch16_dinov3'),
        ('deit3_small_patch16_224', {'image_size': 225}, 'multiple of 16.*224 or 240. Got 225'),
        (
            'deit3_small_patch16_224',
            {'params': {'widht': 3}},
            "unexpected keyword argument 'widht'",
        ),
        ('deit3_small_patch16_224', {'params': {'num_heads': 7}}, 'timm cannot make'),
        ('deit3_small_patch16_224', {'params': {'checkpoint_path': 'x.pth'}}, 'params must be'),
        ('resnet18', {}, 'as of a convolutional network. It is made of conv1'),
        ('mvitv2_tiny', {}, "missing 1 required positional argument: 'feat_size'"),
        ('deit_tiny_distilled_patch16_224', {}, 'kind: deit'),
        ('deit3_small_patch16_224', {'patch_size': 16}, "unknown keys.*'patch_size'"),
        ('deit3_small_patch16_224', {'image_size': '224'}, 'image_size must be a whole number'),
    ],
)
def test_what_cannot_be_made_says_why(name: str, backbone: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelExportError, match=said):
        recipe_of_any(name, **backbone)


def test_a_body_whose_layers_need_more_is_found_by_what_it_gives() -> None:
    recipe = recipe_of_any('cait_xxs24_224', params={'embed_dim': 32, 'depth': 2, 'num_heads': 2})
    with pytest.raises(ModelExportError, match='do not give what the model gives'):
        model_of(recipe)


def test_names_of_the_hub_and_tags_are_the_same_model() -> None:
    plain = recipe_of('vit_small_patch16_dinov3').backbone
    tagged = recipe_of_any('timm/vit_small_patch16_dinov3.lvd1689m').backbone
    assert tagged.mean == plain.mean
    assert tagged.exit_shape(12) == (384, 4)


def test_the_study_of_costs_counts_what_the_file_counts() -> None:
    model = fold(model_of(recipe_of('vit_base_patch16_siglip_224')))
    counted = count(model)
    assert total(counted).macs == count_macs(model).leaving[-1]
    assert counted['embedding', 'embedding'].macs == 16 * 16 * 16 * 3 * 32


def test_every_layer_learns_slower_than_the_one_above() -> None:
    recipe = recipe_of('vit_base_patch16_siglip_224')
    model = model_of(recipe)
    stage = StageRecipe('end_to_end', layer_decay=0.5)
    groups = parameter_groups(model, stage, recipe.backbone.layers)
    scale = {id(p): group['scale'] for group in groups for p in group['params']}
    backbone = model.backbone
    levels = [backbone.model.patch_embed, *backbone.blocks, backbone.model.attn_pool]
    found = [scale[id(next(level.parameters()))] for level in levels]
    assert found == [0.0625, 0.125, 0.25, 0.5, 1.0]
    assert scale[id(backbone.classifier.weight)] == 1.0


def test_patches_that_are_no_squares_lie_in_rows_and_columns() -> None:
    name = 'deit3_small_patch16_224'
    recipe = recipe_of(name, params={**TINY[name][1], 'patch_size': [8, 16]})
    assert recipe.backbone.exit_shape(1) == (32, (8, 4))
    with torch.no_grad():
        planned = model_of(recipe)
        assert planned(images_of(recipe)).shape == (3, 2, CLASSES)
        for head in head_names():
            params = {'attention_heads': 2} if head == 'gah' else {}
            exits = (ExitRecipe(1, head, params),)
            model = model_of(dataclasses.replace(recipe, exits=exits))
            assert model(images_of(recipe)).shape == (2, 2, CLASSES)
    wide = ExitRecipe(1, 'gah', {'window': 5, 'attention_heads': 2})
    with pytest.raises(ModelExportError, match='window must be in 1 to 4. Got 5'):
        model_of(dataclasses.replace(recipe, exits=(wide,)))
