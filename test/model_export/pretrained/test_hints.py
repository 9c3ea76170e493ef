"""What is said of weights that do not fit: the recipe that would, or that they are not known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from model_export.errors import ModelExportError
from model_export.recipe.recipe import Recipe, recipe_from_dict, recipe_to_dict
from test.model_export.pretrained.test_files import peer, started


def refused(recipe: Recipe, source: Path) -> str:
    with pytest.raises(ModelExportError) as info:
        started(recipe, source)
    return str(info.value)


@pytest.mark.parametrize(
    ('name', 'change', 'words'),
    [
        ('timm_registers', {'registers': 0}, 'registers: 3'),
        ('transformers_dinov2', {'layer_scale': False}, 'layer_scale: true'),
        ('timm_vit', {'layer_scale': True}, 'layer_scale: false'),
        ('transformers_deit', {'kind': 'vit'}, 'kind: deit'),
        ('timm_vit', {'kind': 'deit'}, 'kind: vit'),
        ('transformers_vit', {'layers': 2, 'mlp_ratio': 2.0}, 'layers: 3, mlp_ratio: 4.0'),
        ('torchvision_vit', {'patch_size': 4}, 'patch_size: 8'),
        ('torchvision_vit', {'width': 64}, 'width: 32'),
        *[
            (name, {'depths': (2, 1, 2), 'layers': 5}, 'layers: 6, depths: [2, 2, 2]')
            for name in ('timm_swin', 'torchvision_swin', 'transformers_swin')
        ],
        ('timm_swin', {'window': 2, 'kind': 'vit', 'depths': ()}, 'kind: swin'),
        ('torchvision_swin', {'kind': 'vit', 'depths': (), 'layer_scale': True}, 'kind: swin'),
        ('torchvision_vit', {'kind': 'swin', 'depths': (1, 2)}, 'kind: vit'),
    ],
)
def test_the_lines_that_would_fit_are_told_and_do_fit(
    name: str, change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    recipe, state = peer(name)
    path = tmp_path / 'weights.safetensors'
    save_file(state, path)
    other = dataclasses.replace(recipe, backbone=dataclasses.replace(recipe.backbone, **change))
    said = refused(other, path)
    assert words in said
    data = recipe_to_dict(other)
    data['backbone'] |= yaml.safe_load('{' + said.split('under backbone: ')[1] + '}')
    assert 'started from' in started(recipe_from_dict(data), path)[1]


@pytest.mark.parametrize(
    ('names', 'model'),
    [
        (['layers.0.blocks.0.attn.cpb_mlp.0.weight', 'patch_embed.proj.weight'], 'Swin V2'),
        (['features.1.0.attn.logit_scale', 'features.0.0.weight'], 'Swin V2'),
        (['swinv2.encoder.layers.0.blocks.0.attention.self.logit_scale'], 'Swin V2'),
        (['layer.0.mlp.up_proj.weight', 'embeddings.register_tokens'], 'DINOv3'),
        (['rope_embed.periods', 'blocks.0.attn.qkv.weight', 'patch_embed.proj.weight'], 'DINOv3'),
        (['vision_model.head.probe', 'vision_model.encoder.layers.0.mlp.fc1.weight'], 'SigLIP'),
        (['attn_pool.q.weight', 'blocks.0.attn.qkv.weight', 'patch_embed.proj.weight'], 'SigLIP'),
        (['visual.ln_pre.weight', 'visual.transformer.resblocks.0.ln_1.weight'], 'CLIP'),
        (['model.layer1.0.conv1.weight', 'model.fc.weight'], 'ResNet'),
        (['base_model.blocks.0.attn.qkv.lora_A.default.weight'], 'LoRA'),
        (['fc_norm.weight', 'blocks.0.attn.qkv.weight', 'patch_embed.proj.weight'], 'mean'),
    ],
)
def test_models_that_our_own_kinds_do_not_take_are_called_so(
    names: list[str], model: str, tmp_path: Path
) -> None:
    torch.save({name: torch.ones(2, 2) for name in names}, tmp_path / 'x.pt')
    said = refused(peer('timm_vit')[0], tmp_path / 'x.pt')
    cure = 'not supported' if model in ('ResNet', 'LoRA') else 'kind: timm'
    assert model in said and cure in said
