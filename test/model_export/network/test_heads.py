"""A user's own head: one class and one line of a recipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.heads import Neck, build_head, neck_names, register_neck
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, recipe_from_dict

SMALL = BackboneRecipe(image_size=20, patch_size=4, width=12, layers=3, attention_heads=2)


@register_neck('test_mlp')
class MlpNeck(Neck):
    def __init__(self, width: int, grid: int, *, hidden: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, patches: Tensor) -> Tensor:
        return self.net(patches)


def test_a_registered_neck_works_from_recipe_to_deployed_form() -> None:
    recipe = recipe_from_dict(
        {
            'name': 'own',
            'num_classes': 3,
            'backbone': {
                'image_size': 20,
                'patch_size': 4,
                'width': 12,
                'layers': 3,
                'attention_heads': 2,
            },
            'exits': [{'layer': 2, 'head': 'test_mlp', 'params': {'hidden': 5}}],
        }
    )
    model = EarlyExitViT(recipe).eval()
    images = torch.randint(0, 256, (2, 20, 20, 3), dtype=torch.uint8)
    logits = model(images)
    assert logits.shape == (2, 2, 3)
    torch.testing.assert_close(fold(model)(images), logits)


def test_a_neck_in_a_module_of_the_users_needs_no_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'users_heads.py').write_text(
        'from model_export.network.heads import MeanNeck\n\n\nclass Mine(MeanNeck):\n    pass\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    head = build_head(ExitRecipe(1, 'users_heads.Mine'), SMALL, 3)
    assert head(torch.randn(2, 26, 12)).shape == (2, 3)


@pytest.mark.parametrize('window', [1, 2, 3, 4, 5])
def test_gah_takes_any_window_of_the_grid(window: int) -> None:
    head = build_head(ExitRecipe(1, 'gah', {'window': window}), SMALL, 3).eval()
    assert head(torch.randn(2, 26, 12)).shape == (2, 3)


@pytest.mark.parametrize('kernel', [1, 3])
def test_lph_sees_neighbours_only_with_its_depthwise_kernel(kernel: int) -> None:
    head = build_head(ExitRecipe(1, 'lph', {'kernel': kernel}), SMALL, 3).eval()
    patches = torch.randn(1, 25, 12)
    changed = patches.clone()
    changed[0, 12] += 1.0  # the patch in the middle
    difference = (head.neck(changed) - head.neck(patches))[0]
    touched = difference.abs().amax(-1).view(5, 5) > 1e-5
    expected = torch.zeros(5, 5, dtype=torch.bool)
    reach = kernel // 2
    expected[2 - reach : 3 + reach, 2 - reach : 3 + reach] = True
    assert torch.equal(touched, expected)


def test_where_a_head_with_a_neck_normalises() -> None:
    tokens = 3 * torch.randn(2, 26, 12) + 1
    none, last = (
        build_head(ExitRecipe(1, 'mean', {'norm': n}), SMALL, 3) for n in ('none', 'last')
    )
    pooled = tokens[:, 1:].mean(dim=1) + tokens[:, 0]
    torch.testing.assert_close(none(tokens), none.classifier(pooled))
    normalised = torch.nn.functional.layer_norm(tokens, (12,), eps=1e-6)[:, 1:].mean(dim=1)
    torch.testing.assert_close(last(tokens), last.classifier(normalised))


def test_norm_last_needs_a_single_class_token() -> None:
    deit = dataclasses.replace(SMALL, kind='deit')
    with pytest.raises(ModelExportError, match='norm must be first or none on a DeiT'):
        build_head(ExitRecipe(1, 'mean', {'norm': 'last'}), deit, 3)


def test_gah_may_keep_one_patch_of_each_window() -> None:
    head = build_head(ExitRecipe(1, 'gah', {'window': 2, 'sample': True}), SMALL, 3).eval()
    tokens = torch.randn(1, 26, 12)
    changed = tokens.clone()
    changed[0, 1:].view(5, 5, 12)[1::2] = 9.0  # rows and columns between those that are kept
    changed[0, 1:].view(5, 5, 12)[:, 1::2] = 9.0
    assert torch.equal(head(changed), head(tokens))
    assert head.neck(tokens[:, 1:]).shape == (1, 9, 12)


@pytest.mark.parametrize(
    ('head', 'params', 'message'),
    [
        ('lhp', {}, r"unknown head 'lhp'; known are .*'gah'.*'lph'"),
        ('no_such_module.Neck', {}, "head 'no_such_module.Neck' cannot be imported"),
        ('torch.nn.Missing', {}, "head 'torch.nn.Missing' cannot be imported"),
        ('torch.nn.Linear', {}, "head 'torch.nn.Linear' must be a class derived from Neck"),
        ('lph', {'kernel': 5}, 'kernel must be 1 or 3. Got 5'),
        ('lph', {'colour': 1}, "head 'lph' after layer 1: .*colour"),
        ('gah', {'window': 6}, 'window must be in 1 to 5. Got 6'),
        ('gah', {'attention_heads': 5}, 'attention_heads must divide the width 12. Got 5'),
        ('mean', {'norm': True}, r"norm must be one of \('first', 'none', 'last'\). Got True"),
    ],
)
def test_a_wrong_head_is_named(head: str, params: dict[str, int], message: str) -> None:
    with pytest.raises(ModelExportError, match=message):
        build_head(ExitRecipe(1, head, params), SMALL, 3)


def test_a_name_is_registered_once() -> None:
    assert {'lph', 'gah', 'mean'} <= set(neck_names())
    with pytest.raises(ModelExportError, match="'lph' exists already"):
        register_neck('lph')(MlpNeck)
