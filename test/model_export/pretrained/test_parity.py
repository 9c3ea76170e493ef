"""Models of other people with random weights: ours, started from them, gives the same logits.

The golden files were made by benchmarks/parity/make_golden.py, which says how. Where transformers
and timm are installed, test_peers.py draws fresh weights, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.recipe.recipe import recipe_from_dict

TOLERANCE = 1e-4
GOLDEN = Path(__file__).parent / 'parity'
WITH_EXITS = ['lgvit_vit', 'lgvit_deit', 'lgvit_swin', 'eevit_vit']
NAMES = [
    'transformers_vit',
    'transformers_deit',
    'transformers_dinov2',
    'transformers_dinov2_registers',
    'timm_vit',
    'timm_registers',
    'timm_deit',
    'transformers_swin',
    'timm_swin',
    'torchvision_vit',
    'torchvision_swin',
    *WITH_EXITS,
]


def golden(name: str, tmp_path: Path) -> tuple[dict[str, Any], Tensor, Tensor, Path]:
    """Recipe, images, expected logits, and a file of the weights alone."""
    path = GOLDEN / f'{name}.safetensors'
    with safe_open(str(path), 'pt') as file:
        recipe: dict[str, Any] = json.loads(file.metadata()['recipe'])
    tensors = load_file(path)
    image, logits = tensors.pop('golden.image'), tensors.pop('golden.logits')
    weights = tmp_path / 'weights.safetensors'
    save_file(tensors, weights)
    return recipe, image, logits, weights


@torch.no_grad()
def difference(recipe: dict[str, Any], weights: Path, image: Tensor, logits: Tensor) -> float:
    model = EarlyExitViT(recipe_from_dict(recipe)).eval()
    start_from(model, weights)
    found: Tensor = model(image)[-len(logits) :]  # a recipe has an exit; not every peer has one
    return (found - logits).abs().max().item()


@pytest.mark.parametrize('name', NAMES)
def test_every_exit_gives_the_logits_of_the_golden_file(name: str, tmp_path: Path) -> None:
    recipe, image, logits, weights = golden(name, tmp_path)
    assert len(logits) == (1 + len(recipe['exits']) if name in WITH_EXITS else 1)
    assert difference(recipe, weights, image, logits) < TOLERANCE


def test_the_golden_files_tell_a_wrong_number_of_heads_and_a_mean_from_a_sample(
    tmp_path: Path,
) -> None:
    recipe, image, logits, weights = golden('lgvit_vit', tmp_path)
    last = recipe['exits'][-1]['params']
    for change in ({'sample': False}, {'attention_heads': 4}, {'window': 4}):
        recipe['exits'][-1]['params'] = {**last, **change}
        assert difference(recipe, weights, image, logits) > 100 * TOLERANCE
