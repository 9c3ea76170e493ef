"""Swin: stages, shifted windows, exits inside stages, weights in, and one exported file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from eevit_ros.model.metadata import ModelMetadata
from model_export.data import RULE
from model_export.errors import ModelExportError
from model_export.export.check import check
from model_export.export.onnx_writer import round_weights_to_half, to_onnx
from model_export.network.backbones import build_backbone
from model_export.network.backbones.swin import WindowAttention
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import check_fold, fold
from model_export.network.macs import count_macs
from model_export.pretrained import start_from
from model_export.recipe.recipe import BackboneRecipe, Recipe, recipe_from_dict
from test.model_export.random_model import CLASSES, random_model

pytestmark = pytest.mark.usefixtures('quick_exports')

PARITY = Path(__file__).parents[1] / 'pretrained' / 'parity'


EXITS = [
    {'layer': 1, 'head': 'lph', 'params': {'norm': 'last'}},
    {'layer': 3, 'head': 'gah', 'params': {'attention_heads': 4}},
    {'layer': 4, 'head': 'mlp_ee'},
]


def swin_recipe(exits: Any = EXITS, **backbone: Any) -> Recipe:
    """Grids of 7, 4 and 2 patches, windows of 3, 3 and 2: padded, merged oddly and shrunk."""
    return recipe_from_dict(
        {
            'name': 'tiny_swin',
            'num_classes': 4,
            'backbone': {
                'kind': 'swin',
                'image_size': 14,
                'patch_size': 2,
                'width': 8,
                'layers': 5,
                'attention_heads': 2,
                'mlp_ratio': 2.0,
                'depths': [2, 2, 1],
                'window': 3,
                **backbone,
            },
            'exits': exits,
        }
    )


@pytest.fixture(scope='module')
def swin() -> EarlyExitViT:
    return random_model(swin_recipe())


@pytest.fixture(scope='module')
def frames() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (3, 14, 14, 3), dtype=torch.uint8, generator=generator)


def test_heads_see_the_mean_and_the_patches_at_their_stage(
    swin: EarlyExitViT, frames: Tensor
) -> None:
    *tokens, last = swin.walk(frames)
    assert [tuple(x.shape) for x in tokens] == [(3, 50, 8), (3, 17, 16), (3, 17, 16)]
    assert [swin.recipe.backbone.exit_shape(i) for i in (1, 3, 4, 5)] == [
        (8, 7),
        (16, 4),
        (16, 4),
        (32, 2),
    ]
    for x in tokens:
        torch.testing.assert_close(x[:, 0], x[:, 1:].mean(dim=1))
    torch.testing.assert_close(swin(frames)[-1], swin.backbone.classify(last))


@settings(deadline=None, max_examples=40)
@given(
    grid=st.integers(1, 9), window=st.integers(1, 6), shifted=st.booleans(), at=st.integers(0, 80)
)
def test_a_patch_is_seen_in_its_window_alone(
    grid: int, window: int, shifted: bool, at: int
) -> None:
    torch.manual_seed(0)
    attend = WindowAttention(4, 2, grid, window, shifted).requires_grad_(False)
    at %= grid * grid
    x = torch.randn(1, grid * grid, 4)
    changed = x.clone()
    changed[:, at] += 1.0
    seen = (attend(changed) - attend(x)).abs().amax(dim=(0, 2)) > 1e-7
    window = min(window, grid)
    shift = window // 2 if shifted and window < grid else 0

    def window_of(patch: int) -> tuple[int, int]:
        row, column = divmod(patch, grid)
        return (row - shift) // window, (column - shift) // window

    expected = [window_of(patch) == window_of(at) for patch in range(grid * grid)]
    assert seen.tolist() == expected


def test_a_swin_t_has_as_many_parameters_as_the_peers_count() -> None:
    recipe = BackboneRecipe(
        kind='swin', patch_size=4, width=96, layers=12, attention_heads=3, depths=(2, 2, 6, 2)
    )
    with torch.device('meta'):
        backbone = build_backbone(recipe, 1000)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 28_288_354


def test_macs_are_those_of_the_paper(frames: Tensor) -> None:
    """Equation 2: 4 h w C^2 + 2 M^2 h w C for the attention of a layer; and its MLP."""
    model = random_model(swin_recipe(EXITS[:1], image_size=12, layers=3, depths=[2, 1]))
    folded = fold(model)
    check_fold(model, folded, frames[:, :12, :12])
    macs = count_macs(folded)

    def layer(patches: int, width: int) -> int:
        return 4 * patches * width**2 + 2 * 9 * patches * width + 2 * 2 * patches * width**2

    first = 36 * 12 * 8 + layer(36, 8)
    assert macs.leaving[0] - macs.heads[0] == first
    merged = 9 * 32 * 16 + layer(9, 16)  # 4 C channels of 9 patches become 2 C
    assert macs.backbone == first + layer(36, 8) + merged + 16 * 4
    assert macs.leaving[-1] == macs.backbone + sum(macs.heads)


def test_the_exported_file_answers_as_torch(frames: Tensor) -> None:
    exits = [{'layer': 1, 'head': 'mean'}, {'layer': 2, 'head': 'mean'}]  # of two stages
    recipe = swin_recipe(exits, image_size=10, layers=3, depths=[1, 2], window=2)
    model = fold(random_model(recipe))
    round_weights_to_half(model)
    macs = count_macs(model)
    metadata = ModelMetadata(
        name=recipe.name,
        class_names=CLASSES,
        exit_layers=model.exit_layers,
        layers=3,
        input_height=10,
        input_width=10,
        resize=RULE,
        default_thresholds=(0.5, 0.5),
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        accuracy=(0.5, 0.5, 0.5),
        accuracy_data='noise',
        training_data='none',
        licence='none',
    )
    images = frames[:, :10, :10].numpy()
    assert check(to_onnx(model, metadata), model, images) < 1e-5


def test_gradients_reach_every_parameter(frames: Tensor) -> None:
    model = EarlyExitViT(swin_recipe()).train()
    model(frames).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_depths_must_add_up_to_the_layers() -> None:
    with pytest.raises(ModelExportError, match=r'sum of depths \[2, 1\], 3. Got 5'):
        swin_recipe(depths=[2, 1])


def _peer(name: str) -> tuple[Recipe, dict[str, Tensor], Tensor]:
    path = PARITY / f'{name}.safetensors'
    with safe_open(str(path), 'pt') as file:
        recipe = recipe_from_dict(json.loads(file.metadata()['recipe']))
    tensors = load_file(path)
    tensors.pop('golden.logits')
    return recipe, tensors, tensors.pop('golden.image')


@torch.no_grad()
def _logits(recipe: Recipe, weights: dict[str, Tensor], image: Tensor, folder: Path) -> Tensor:
    path = folder / 'weights.safetensors'
    save_file(weights, path)
    torch.manual_seed(0)
    model = EarlyExitViT(recipe).eval()
    start_from(model, path)
    return model(image)[-1]


def test_the_authors_files_end_a_stage_with_the_merging(tmp_path: Path) -> None:
    recipe, weights, image = _peer('timm_swin')
    expected = _logits(recipe, weights, image, tmp_path)
    older = {
        name.replace('layers.1.downsample', 'layers.0.downsample')
        .replace('layers.2.downsample', 'layers.1.downsample')
        .replace('head.fc', 'head'): tensor
        for name, tensor in weights.items()
    }
    assert older.keys() != weights.keys()
    assert torch.equal(_logits(recipe, older, image, tmp_path), expected)


def test_bias_tables_are_resized_to_another_window(tmp_path: Path) -> None:
    _, weights, _ = _peer('timm_swin')
    name = 'layers.1.blocks.0.attn.relative_position_bias_table'
    assert weights[name].shape == (49, 4)  # a window of 4
    weights[name] = torch.arange(7.0).repeat_interleave(7)[:, None].repeat(1, 4)
    sizes = {'image_size': 24, 'patch_size': 4, 'layers': 6, 'depths': [2, 2, 2], 'window': 4}
    recipe = swin_recipe([{'layer': 1, 'head': 'mean'}], mlp_ratio=2.0, **sizes)  # of 6, 3, 2
    path = tmp_path / 'weights.safetensors'
    save_file(weights, path)
    model = EarlyExitViT(recipe)
    start_from(model, path)
    table = model.backbone.blocks[2].attn.bias_table.detach().view(5, 5, 4)
    torch.testing.assert_close(table, table[:, :1, :1].expand(5, 5, 4))
    assert (table[1:, 0, 0] > table[:-1, 0, 0]).all()
    torch.testing.assert_close(
        model.backbone.blocks[0].attn.bias_table[:, 0],
        weights['layers.0.blocks.0.attn.relative_position_bias_table'][:, 0].float(),
    )


def test_a_file_of_another_swin_says_what_does_not_fit(tmp_path: Path) -> None:
    _, weights, _ = _peer('timm_swin')
    path = tmp_path / 'weights.safetensors'
    save_file(weights, path)
    shorter = swin_recipe(EXITS[:1], image_size=32, patch_size=4, depths=[2, 2, 1], window=4)
    with pytest.raises(ModelExportError, match=r'left over: layers\.2\.blocks\.1\.'):
        start_from(EarlyExitViT(shorter), path)
