"""Every built-in head, after every layer, from a recipe to the exported file."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, divide_by_temperatures, fold
from model_export.network.heads import (
    ExitHead,
    MeanNeck,
    build_head,
    head_names,
    register_head,
    register_neck,
)
from model_export.network.macs import count_macs
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe
from test.model_export.random_model import random_model

WIDTH, GRID, CLASS_COUNT = 24, 5, 4  # 5 is divided by no pool and no window
PATCHES, TOKENS = 25, 26
DROPOUT = ['mlp_ee', 'vit_ee', 'cnn_ignore_ee', 'cnn_add_ee', 'cnn_project_ee', 'mlp_mixer_ee',
           'resmlp_ee']  # fmt: skip
HEADS = [*DROPOUT, 'linear', 'mean', 'lph', 'gah']


def backbone(layers: int = 4) -> BackboneRecipe:
    return BackboneRecipe(
        image_size=20, patch_size=4, width=WIDTH, layers=layers, attention_heads=2
    )


def recipe_of(heads: list[str]) -> Recipe:
    """The heads after layers 1, 2, 3, ..."""
    exits = tuple(ExitRecipe(layer, head) for layer, head in enumerate(heads, start=1))
    return Recipe('heads', backbone(len(heads) + 1), exits, CLASS_COUNT)


def head_of(name: str, **params: Any) -> ExitHead:
    torch.manual_seed(0)
    return build_head(ExitRecipe(1, name, params), backbone(), CLASS_COUNT)


def tokens(batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, TOKENS, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope='module')
def small_images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, 20, 20, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope='module')
def every_head() -> EarlyExitViT:
    return random_model(recipe_of(HEADS))


def test_no_built_in_head_is_untested() -> None:
    assert {name for name in head_names() if not name.startswith('test_')} == set(HEADS)


@pytest.mark.parametrize('name', HEADS)
def test_a_head_works_after_every_layer_and_learns_there(name: str, small_images: Tensor) -> None:
    torch.manual_seed(0)
    model = EarlyExitViT(recipe_of([name] * 4)).eval()
    model.backbone.requires_grad_(False)
    logits = model(small_images)
    assert logits.shape == (5, 3, CLASS_COUNT)
    assert torch.equal(model(small_images), logits)
    F.cross_entropy(logits[:4].flatten(0, 1), torch.tensor([0, 1, 2]).repeat(4)).backward()
    for part, parameter in model.heads.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, part


@pytest.mark.parametrize('name', HEADS)
def test_a_head_answers_each_image_by_itself(name: str) -> None:
    head = head_of(name).eval()
    x = tokens()
    torch.testing.assert_close(head(x)[1:], head(x[1:]), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ('name', 'sees_class_token', 'sees_patches'),
    [
        ('linear', True, False),
        ('mlp_ee', True, False),
        ('cnn_ignore_ee', False, True),
        *[(name, True, True) for name in HEADS if name.startswith(('cnn_add', 'cnn_pro', 'vit'))],
        ('mlp_mixer_ee', True, True),
        ('resmlp_ee', True, True),
    ],
)
def test_a_head_looks_at_its_tokens_only(
    name: str, sees_class_token: bool, sees_patches: bool
) -> None:
    head = head_of(name).eval()
    x, other = tokens(), tokens(seed=2)
    other_class = torch.cat([other[:, :1], x[:, 1:]], dim=1)
    assert torch.equal(head(other_class), head(x)) is not sees_class_token
    for patch in (1, PATCHES):  # the first, and the last, in a window cut by the edge
        other_patch = x.clone()
        other_patch[:, patch] = other[:, patch]
        assert torch.equal(head(other_patch), head(x)) is not sees_patches


def test_projection_is_that_of_the_concatenated_tokens() -> None:
    head = head_of('cnn_project_ee')
    x = tokens()
    pairs = torch.cat([x[:, 1:], x[:, :1].expand(-1, PATCHES, -1)], dim=-1)  # (B, N - 1, 2 D)
    weight = torch.cat([head.project_patch.weight, head.project_class.weight], dim=1)
    expected = F.gelu(F.linear(pairs, weight, head.project_patch.bias))
    torch.testing.assert_close(head.read(x), expected)


@pytest.mark.parametrize('name', DROPOUT)
def test_dropout_is_for_training_only(name: str) -> None:
    head, x = head_of(name), tokens()
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))
    without = head_of(name, dropout=0.0).train()
    assert torch.equal(without(x), head(x))  # the same weights, as the seed is the same


@pytest.mark.parametrize('grid', [1, 2, 3, 4, 7])
@pytest.mark.parametrize('name', HEADS)
def test_a_head_takes_other_grids_if_its_windows_fit(name: str, grid: int) -> None:
    small = BackboneRecipe(image_size=4 * grid, patch_size=4, width=WIDTH, attention_heads=2)
    params = {}
    if name.startswith('cnn'):
        params = {'kernel': 1 if grid < 3 else 3, 'pool': min(grid, 2)}
    elif name == 'gah':
        params = {'window': min(grid, 2)}
    head = build_head(ExitRecipe(1, name, params), small, CLASS_COUNT).eval()
    assert head(torch.randn(2, 1 + grid * grid, WIDTH)).shape == (2, CLASS_COUNT)


@pytest.mark.parametrize(
    ('name', 'params', 'message'),
    [
        ('cnn_add_ee', {'pool': 6}, r'pool must be in 1 to 5, as the image has 5 x 5 .* Got 6'),
        ('cnn_add_ee', {'pool': 0}, 'pool must be at least 1. Got 0'),
        ('cnn_ignore_ee', {'kernel': 7}, 'kernel must be odd and at most 5, .* Got 7'),
        ('cnn_project_ee', {'kernel': 4}, 'kernel must be odd and at most 5, .* Got 4'),
        ('cnn_ignore_ee', {'channels': 0}, 'channels must be at least 1. Got 0'),
        ('mlp_ee', {'hidden': 0}, 'hidden must be at least 1. Got 0'),
        ('mlp_ee', {'dropout': 1.5}, 'dropout probability .* got 1.5'),
        ('mlp_ee', {'features': 3}, 'features'),
        ('linear', {'hidden': 3}, 'hidden'),
        ('vit_ee', {'attention_heads': 5}, 'a multiple of attention_heads 5. Got 24'),
        ('vit_ee', {'mlp_ratio': 0.01}, 'mlp_ratio must give .* width 24. Got 0.01'),
        ('mlp_mixer_ee', {'token_hidden': -1}, 'token_hidden must be at least 1. Got -1'),
        ('resmlp_ee', {'mlp_ratio': 0.0}, 'mlp_ratio must give .* width 24. Got 0.0'),
    ],
)
def test_parameters_that_do_not_fit_are_named(
    name: str, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelExportError, match=f"head '{name}' after layer 1: .*{message}"):
        head_of(name, **params)


@pytest.mark.parametrize('name', HEADS)
def test_macs_are_those_of_the_head(name: str) -> None:
    def dense(features: int) -> int:  # two layers as wide as the tokens, and the classifier
        return features * WIDTH + WIDTH**2 + WIDTH * CLASS_COUNT

    square, classifier = WIDTH**2, WIDTH * CLASS_COUNT
    channel_mlp = TOKENS * 8 * square
    cnn = PATCHES * 9 * WIDTH * 6 + dense(6 * 3 * 3)
    expected = {
        'linear': classifier,
        'mean': classifier,
        'mlp_ee': dense(WIDTH),
        'vit_ee': (2 + 2 * TOKENS + 8) * square + 2 * TOKENS * WIDTH + dense(WIDTH),
        'cnn_ignore_ee': cnn,
        'cnn_add_ee': cnn,
        'cnn_project_ee': cnn + (PATCHES + 1) * square,
        'mlp_mixer_ee': WIDTH * 2 * TOKENS * 12 + channel_mlp + dense(WIDTH),
        'resmlp_ee': WIDTH * TOKENS**2 + channel_mlp + dense(WIDTH),
        'lph': PATCHES * (2 * square + 9 * WIDTH) + classifier,
        'gah': 9 * 4 * square + 2 * 9**2 * WIDTH + classifier,  # 3 x 3 windows
    }
    macs = count_macs(EarlyExitViT(recipe_of([name])).eval())
    assert macs.heads == (expected[name],)
    assert macs.leaving[1] == macs.backbone + expected[name]


def test_deployed_forms_follow_the_temperatures(
    every_head: EarlyExitViT, small_images: Tensor
) -> None:
    temperatures = [0.5 + 0.25 * i for i in range(len(HEADS) + 1)]
    folded = fold(every_head)
    check_fold(every_head, folded, small_images)
    divide_by_temperatures(folded, temperatures)
    expected = every_head(small_images) / torch.tensor(temperatures)[:, None, None]
    torch.testing.assert_close(folded(small_images), expected, atol=1e-4, rtol=1e-4)


@register_head('test_own_head')
class OwnHead(ExitHead):
    """A user's: the largest of each channel, and the classifier."""

    def __init__(self, width: int, grid: int, num_classes: int, *, outputs: int = 0) -> None:
        super().__init__(width, grid, num_classes)
        self.classifier = nn.Linear(width, outputs or num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x.amax(dim=1))


class SharpHead(OwnHead):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).pow(3)


class NamelessHead(ExitHead):
    def __init__(self, width: int, grid: int, num_classes: int) -> None:
        super().__init__(width, grid, num_classes)
        self.last = nn.Linear(width, num_classes)


def test_a_users_own_head_works_from_recipe_to_deployed_form(small_images: Tensor) -> None:
    model = random_model(recipe_of(['test_own_head', f'{__name__}.OwnHead']))
    folded = fold(model)
    check_fold(model, folded, small_images)
    torch.testing.assert_close(folded(small_images), model(small_images))


def test_a_head_whose_classifier_is_not_last_is_found(small_images: Tensor) -> None:
    model = random_model(recipe_of(['mlp_ee', f'{__name__}.SharpHead']))
    with pytest.raises(ModelExportError, match='head after layer 2 ignores its temperature'):
        check_fold(model, fold(model), small_images)


@pytest.mark.parametrize(
    ('name', 'params', 'message'),
    [
        (
            'NamelessHead',
            {},
            'must end in a linear layer named classifier with 4 outputs. Got None',
        ),
        ('OwnHead', {'outputs': 3}, r'with 4 outputs. Got Linear\(.*out_features=3'),
    ],
)
def test_a_head_without_a_classifier_of_the_classes_is_refused(
    name: str, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelExportError, match=message):
        head_of(f'{__name__}.{name}', **params)


def test_necks_and_heads_share_their_names() -> None:
    with pytest.raises(ModelExportError, match="'lph' exists already"):
        register_head('lph')(OwnHead)
    with pytest.raises(ModelExportError, match="'mlp_ee' exists already"):
        register_neck('mlp_ee')(MeanNeck)
