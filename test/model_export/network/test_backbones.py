"""DeiT and registers through everything that a plain ViT goes through; the kinds of recipes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from eevit_ros.model.metadata import ModelMetadata
from harness.paths import ROOT
from model_export.data import RULE
from model_export.errors import ModelExportError
from model_export.export.check import check
from model_export.export.onnx_writer import round_weights_to_half, to_onnx
from model_export.network.backbones import DeiT, build_backbone
from model_export.network.classifier import AveragedClassifier, linears
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, divide_by_temperatures, fold
from model_export.network.heads import head_names
from model_export.network.macs import count_macs
from model_export.recipe.recipe import (
    BackboneRecipe,
    ExitRecipe,
    Recipe,
    load_recipe,
    recipe_from_dict,
)
from test.model_export.random_model import CLASSES as CLASS_NAMES
from test.model_export.random_model import random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

CLASSES, WIDTH, GRID = 4, 24, 4
SIZES = {'image_size': 16, 'patch_size': 4, 'width': WIDTH, 'attention_heads': 2}
DEIT = BackboneRecipe(**SIZES, layers=4, kind='deit')
REGISTERS = BackboneRecipe(**SIZES, layers=4, registers=3, layer_scale=True)
HEADS = (ExitRecipe(1, 'lph'), ExitRecipe(2, 'gah', {'norm': 'none'}), ExitRecipe(3, 'mlp_ee'))


def recipe_of(golden: Path) -> Recipe:
    with safe_open(str(golden), 'pt') as file:
        return recipe_from_dict(json.loads(file.metadata()['recipe']))


def model_of(backbone: BackboneRecipe, *exits: ExitRecipe) -> EarlyExitViT:
    return random_model(Recipe('tiny', backbone, exits or HEADS, CLASSES))


@pytest.fixture
def image() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8, generator=generator)


BOTH = pytest.mark.parametrize('backbone', [DEIT, REGISTERS], ids=['deit', 'registers'])


@BOTH
def test_the_last_layer_is_only_computed_where_it_is_read(
    backbone: BackboneRecipe, image: Tensor
) -> None:
    model = model_of(backbone).backbone
    x = model.embed(image)
    assert x.shape == (3, 16 + (2 if backbone.kind == 'deit' else 4), WIDTH)
    for block in model.blocks:
        x = block(x)
    x = model.norm(x)
    if backbone.kind == 'deit':
        first, second = linears(model.classifier)
        expected = (first(x[:, 0]) + second(x[:, 1])) / 2
    else:
        expected = model.classifier(x[:, 0])
    torch.testing.assert_close(model(image), expected)


def test_heads_see_no_register(image: Tensor) -> None:
    backbone = model_of(REGISTERS).backbone
    x = backbone.embed(image)
    seen = backbone.exit_tokens(x, 1)
    assert seen.shape == (3, 1 + GRID**2, WIDTH)
    x[:, 1:4] = 9.0
    assert torch.equal(backbone.exit_tokens(x, 1), seen)
    assert not torch.equal(
        backbone.blocks[0](x)[:, 4:], backbone.blocks[0](backbone.embed(image))[:, 4:]
    )


@BOTH
@torch.no_grad()
def test_both_training_and_deployed_form_answer_alike_at_every_exit(
    backbone: BackboneRecipe, image: Tensor
) -> None:
    model = model_of(backbone)
    folded = fold(model)
    check_fold(model, folded, image)
    for form in (model, folded):
        probabilities = form(image[:1]).softmax(-1)
        for exit in range(4):
            thresholds = torch.tensor([1.0] * exit + [0.0] * (3 - exit))
            found, index = form.forward_eager(image[:1], thresholds)
            assert index.item() == exit
            torch.testing.assert_close(found, probabilities[exit])


@torch.no_grad()
def test_temperatures_reach_both_classifiers(image: Tensor) -> None:
    folded = fold(model_of(DEIT))
    before = folded(image)
    divide_by_temperatures(folded, [2.0, 3.0, 4.0, 5.0])
    after = folded(image)
    torch.testing.assert_close(after, before / torch.tensor([2.0, 3.0, 4.0, 5.0]).view(4, 1, 1))


@pytest.mark.parametrize('name', head_names())
@torch.no_grad()
def test_every_head_of_a_deit_averages_two_answers(name: str, image: Tensor) -> None:
    """With the other classifier at nought, an exit gives half of what one token alone gives."""
    plain = BackboneRecipe(**SIZES, layers=4)
    single = model_of(plain, ExitRecipe(2, name)).heads[0]
    head = model_of(DEIT, ExitRecipe(2, name)).heads[0]
    names = {key.removeprefix('features.') for key in head.state_dict()}
    shared = {k: v for k, v in single.state_dict().items() if not k.startswith('classifier.')}
    assert shared.keys() == {k for k in names if not k.startswith('classifier.')}
    body = getattr(head, 'features', head)
    body.load_state_dict(shared, strict=False)
    assert isinstance(head.classifier, AveragedClassifier)
    x = torch.randn(2, 2 + GRID**2, WIDTH)
    patches = x[:, 2:]
    for token, linear in enumerate(linears(head.classifier)):
        for part in linears(head.classifier):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        linear.load_state_dict(single.classifier.state_dict())
        expected = single(torch.cat([x[:, token : token + 1], patches], dim=1)) / 2
        torch.testing.assert_close(head(x), expected)


def test_the_neck_of_a_deit_exit_runs_once() -> None:
    exits = (ExitRecipe(1, 'lph'), ExitRecipe(2, 'gah'))
    deit = count_macs(fold(model_of(DEIT, *exits)))
    plain = count_macs(fold(model_of(BackboneRecipe(**SIZES, layers=4), *exits)))
    for ours, theirs in zip(deit.heads, plain.heads, strict=True):
        assert ours - theirs == WIDTH * CLASSES  # the second classifier
    assert deit.leaving == tuple(sorted(deit.leaving))


def test_the_exported_file_of_a_deit_answers_as_torch_does() -> None:
    """Three layers are enough: each form of an exit is there, and a graph takes long to make."""
    backbone = BackboneRecipe(**SIZES, layers=3, kind='deit')
    model = fold(model_of(backbone, ExitRecipe(1, 'lph'), ExitRecipe(2, 'linear')))
    round_weights_to_half(model)
    macs = count_macs(model)
    metadata = ModelMetadata(
        name='tiny', class_names=CLASS_NAMES, exit_layers=model.exit_layers, layers=3,
        input_height=16, input_width=16, resize=RULE, default_thresholds=(0.5, 0.5),
        macs=macs.leaving, head_macs=macs.heads, backbone_macs=macs.backbone,
        accuracy=(0.25,) * 3, accuracy_data='nothing', training_data='nothing', licence='none',
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert check(to_onnx(model, metadata), model, images) < 1e-4


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'kind': 'cnn'}, r"kind must be one of \('vit', 'deit', 'swin', 'timm'\). Got 'cnn'"),
        ({'registers': -1}, 'registers must be at least 0. Got -1'),
        ({'kind': 'deit', 'registers': 1}, 'registers must be 0 for kind deit. Got 1'),
        ({'depths': (2, 2)}, r'depths must be absent for kind vit. Got \(2, 2\)'),
        ({'kind': 'swin'}, r'depths must be the layers of each stage. Got \(\)'),
        (
            {'kind': 'swin', 'depths': (2, 1)},
            r'layers must be the sum of depths \[2, 1\], 3. Got 4',
        ),
        ({'kind': 'swin', 'depths': (2, 2), 'layer_scale': True}, 'layer_scale must be false'),
        ({'window': 0}, 'window must be positive. Got 0'),
    ],
)
def test_a_kind_refuses_what_it_has_not(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelExportError, match=message):
        BackboneRecipe(**SIZES, **{'layers': 4, **change})


def test_a_stage_of_a_swin_doubles_the_width_and_halves_the_grid() -> None:
    recipe = BackboneRecipe(
        image_size=36,
        patch_size=4,
        width=8,
        attention_heads=2,
        kind='swin',
        layers=5,
        depths=(2, 1, 2),
    )
    shapes = [recipe.exit_shape(layer) for layer in range(1, 6)]
    assert shapes == [(8, 9), (8, 9), (16, 5), (32, 3), (32, 3)]


def test_recipes_of_before_the_kinds_make_a_plain_vit() -> None:
    old = {
        'name': 'old',
        'backbone': {**SIZES, 'layers': 3},
        'exits': [{'layer': 1, 'head': 'mean'}],
    }
    recipe = recipe_from_dict(old)
    assert (recipe.backbone.kind, recipe.backbone.registers) == ('vit', 0)
    assert not isinstance(build_backbone(recipe.backbone, 3), DeiT)


@pytest.mark.parametrize('name', ['lgvit_vit_b16', 'lgvit_deit_b16'])
def test_lgvits_recipes_are_the_models_of_its_code(name: str) -> None:
    """The golden files of test_parity.py hold LGViT's code, smaller, with these very exits."""
    recipe = load_recipe(ROOT / 'config' / 'recipes' / f'{name}.yaml')
    parity = ROOT / 'test' / 'model_export' / 'pretrained' / 'parity'
    golden = parity / f'{name.removesuffix("_b16")}.safetensors'
    assert recipe.exits == recipe_of(golden).exits
    assert recipe.backbone.kind == recipe_of(golden).backbone.kind
