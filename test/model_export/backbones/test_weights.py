"""Weights for a model of timm, from files and folders as a model hub serves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import timm
import torch
import transformers
import yaml
from torch import nn

from model_export.__main__ import main
from model_export.errors import ModelExportError
from model_export.network.backbones import TimmBackbone
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.pretrained.describe import KINDS
from model_export.recipe.recipe import recipe_from_dict
from model_export.weights.stored import save_weights
from test.model_export.backbones.tiny import (
    TINY,
    file_of,
    images_of,
    model_of,
    pixels_of,
    recipe_of,
    theirs,
)

DINOV3 = 'vit_small_patch16_dinov3'
SIZES = {
    'hidden_size': 32,
    'num_hidden_layers': 3,
    'num_attention_heads': 2,
    'intermediate_size': 64,
    'image_size': 64,
    'patch_size': 16,
}
TEXT = {**SIZES, 'vocab_size': 20, 'bos_token_id': 0, 'eos_token_id': 1}
TOWERS = {
    'SiglipVisionModel': lambda: transformers.SiglipVisionConfig(**SIZES),
    'SiglipVisionModel without head': lambda: transformers.SiglipVisionConfig(
        **SIZES, vision_use_head=False
    ),
    'SiglipModel': lambda: transformers.SiglipConfig(vision_config=SIZES, text_config=TEXT),
    'CLIPVisionModel': lambda: transformers.CLIPVisionConfig(**SIZES),
    'DINOv3ViTModel': lambda: transformers.DINOv3ViTConfig(**SIZES, num_register_tokens=4),
}


def randomised(model: Any) -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_((0.2 if parameter.ndim > 1 else 0.1) * torch.randn_like(parameter))
    return model.eval()


def described(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The recipe that the command prints, as YAML holds it."""
    assert main(['describe', str(folder)]) == 0
    recipe: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return recipe


@pytest.mark.parametrize('name', TOWERS)
def test_a_tower_of_transformers_gets_a_recipe_and_gives_its_own_features(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tower = randomised(getattr(transformers, name.split()[0])(TOWERS[name]()))
    tower.save_pretrained(tmp_path)
    model = EarlyExitViT(recipe_from_dict(described(tmp_path, capsys))).eval()
    assert 'classifier at random: it has none' in start_from(model, tmp_path)
    backbone = model.backbone
    assert isinstance(backbone, TimmBackbone)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        x = backbone.run_layers(backbone.row.embed(pixels), 0, 3)
        found = backbone.row.features(x)
        if name == 'DINOv3ViTModel':  # theirs is the class token, timm's pools as it is told
            found = backbone.row.finish(x)[:, 0]
        theirs_is = getattr(tower, 'vision_model', tower)(pixel_values=pixels)
        expected = theirs_is.pooler_output
        if expected is None:
            expected = theirs_is.last_hidden_state.mean(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_folder_of_timm_gets_a_recipe_that_trains_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = theirs(DINOV3, classes=0)
    file_of(peer, tmp_path / 'model.safetensors')
    size, params = TINY[DINOV3]
    trained = {'input_size': [3, size, size], 'mean': [0.5] * 3, 'std': [0.25] * 3}
    config = {'architecture': DINOV3, 'model_args': params, 'pretrained_cfg': trained}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    recipe = recipe_from_dict(described(tmp_path, capsys))
    assert recipe.backbone.mean == (0.5, 0.5, 0.5)
    assert recipe.backbone.weights == str(tmp_path)
    model, image = EarlyExitViT(recipe).eval(), images_of(recipe)
    start_from(model, tmp_path)
    model.backbone.classifier = nn.Identity()
    backbone = model.backbone
    with torch.no_grad():
        x = backbone.run_layers(backbone.row.embed(pixels_of(recipe, image)), 0, 3)
        torch.testing.assert_close(
            backbone.row.features(x), peer(pixels_of(recipe, image)), atol=1e-4, rtol=0
        )


def test_training_starts_from_the_weights_of_a_recipe_and_goes_on_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = 'deit3_small_patch16_224'
    size, params = TINY[name]
    weights = str(file_of(theirs(name, classes=0), tmp_path / 'weights.safetensors'))
    words = {'kind': 'timm', 'model': name, 'image_size': size, 'params': params}
    recipe = {
        'name': 'x', 'num_classes': 2, 'held_out': 2, 'backbone': {**words, 'weights': weights},
        'exits': [{'layer': 1, 'head': 'mean'}],
        'stages': [{'scheme': 'backbone', 'batch_size': 4}],
    }  # fmt: skip
    (tmp_path / 'recipe.yaml').write_text(yaml.safe_dump(recipe))
    for number, place in enumerate(('train/a', 'train/b', 'test/a', 'test/b')):
        (folder := tmp_path / 'data' / place).mkdir(parents=True)
        for shade in range(3):
            pixels = np.full((size, size, 3), 60 * number + 20 * shade, np.uint8)
            cv2.imwrite(str(folder / f'{shade}.png'), pixels)
    data, out = str(tmp_path / 'data'), str(tmp_path / 'run')
    for said in (f'started from {weights}', 'trained: '):
        assert main(['train', str(tmp_path / 'recipe.yaml'), '--data', data, '--out', out]) == 0
        assert capsys.readouterr().out.startswith(said)


def test_positions_of_another_image_size_are_fitted_and_another_classifier_is_left(
    tmp_path: Path,
) -> None:
    name = 'deit3_small_patch16_224'
    path = file_of(theirs(name, classes=7, img_size=96), tmp_path / 'weights.safetensors')
    model = model_of(recipe_of(name))
    before = model.backbone.classifier.weight.clone()
    said = start_from(model, path)
    assert 'classifier at random: it has 7 classes, the recipe 5' in said
    assert torch.equal(model.backbone.classifier.weight, before)


def test_a_run_on_a_model_of_timm_starts_another_of_a_larger_image(tmp_path: Path) -> None:
    name = 'deit3_small_patch16_224'
    first = model_of(recipe_of(name))
    save_weights(first, tuple('abcde'), 'data', tmp_path)
    larger = model_of(recipe_of(name, image_size=96))
    assert 'positions resized to a grid of 6' in start_from(larger, tmp_path)
    assert larger(images_of(larger.recipe)).shape == (3, 2, 5)
    with pytest.raises(ModelExportError, match='has another backbone: model'):
        start_from(model_of(recipe_of('vit_base_patch16_siglip_224')), tmp_path)


def test_openais_clip_is_found_below_its_names_and_its_projection_is_left_out(
    tmp_path: Path,
) -> None:
    words = {'embed_dim': 32, 'depth': 3, 'num_heads': 2, 'patch_size': 16}
    name = 'vit_base_patch32_clip_quickgelu_224'
    backbone = {'kind': 'timm', 'model': name, 'image_size': 64, 'params': words}
    exits = [{'layer': 1, 'head': 'mean'}]
    recipe = recipe_from_dict({'name': 'x', 'num_classes': 3, 'backbone': backbone, 'exits': exits})
    peer = randomised(timm.create_model(name, num_classes=0, img_size=64, **words))
    swaps = {
        'patch_embed.proj': 'conv1', 'pos_embed': 'positional_embedding', 'norm_pre': 'ln_pre',
        'blocks.': 'transformer.resblocks.', 'norm1': 'ln_1', 'norm2': 'ln_2', 'qkv.': 'in_proj_',
        'attn.proj': 'attn.out_proj', 'mlp.fc1': 'mlp.c_fc', 'mlp.fc2': 'mlp.c_proj',
        'cls_token': 'class_embedding', 'norm.': 'ln_post.',
    }  # fmt: skip
    state = {'model.logit_scale': torch.ones(1), 'model.visual.proj': torch.ones(32, 16)}
    for key, tensor in peer.state_dict().items():
        for ours_is, theirs_is in swaps.items():
            key = key.replace(ours_is, theirs_is)
        flat = key in ('class_embedding', 'positional_embedding')
        state[f'model.visual.{key}'] = tensor.squeeze() if flat else tensor
    torch.save({'state_dict': state}, tmp_path / 'clip.pt')
    model, image = model_of(recipe), images_of(recipe)
    assert 'classifier at random: it has none' in start_from(model, tmp_path / 'clip.pt')
    backbone_is: Any = model.backbone
    with torch.no_grad():
        x = backbone_is.run_layers(backbone_is.embed(image), 0, 3)
        found, expected = backbone_is.row.features(x), peer(pixels_of(recipe, image))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_what_a_training_script_puts_around_the_names_is_passed_by(tmp_path: Path) -> None:
    name = 'vit_base_patch16_siglip_224'
    peer, student = theirs(name), theirs(name)
    state = {f'module.{key}': tensor for key, tensor in peer.state_dict().items()}
    other = {key: 0 * tensor for key, tensor in student.state_dict().items()}
    path = tmp_path / 'last.pth'
    torch.save({'epoch': 3, 'model': other, 'model_ema': state}, path)
    model = model_of(recipe_of(name))
    assert 'model_ema.module as' in start_from(model, path)
    assert torch.equal(model.backbone.classifier.weight, peer.head.weight)


@pytest.mark.parametrize(
    ('theirs_is', 'params', 'said'),
    [
        ('deit3_small_patch16_224', {'depth': 4}, '14 unexpected: blocks.3'),
        ('deit3_small_patch16_224', {'depth': 2}, '14 missing: blocks.2'),
        (
            'deit3_small_patch16_224',
            {'embed_dim': 48},
            r'of another shape: .*\[1, 1, 48\]',
        ),
        ('swin_tiny_patch4_window7_224', {}, 'holds no weights of deit3_small_patch16_224'),
    ],
)
def test_weights_of_another_model_are_refused(
    theirs_is: str, params: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = file_of(theirs(theirs_is, **params), tmp_path / 'weights.safetensors')
    with pytest.raises(ModelExportError, match=said):
        start_from(model_of(recipe_of('deit3_small_patch16_224')), path)


@pytest.mark.parametrize(
    ('config', 'said'),
    [
        (None, 'holds no config.json'),
        ({'model_type': 'bert'}, "of type 'bert'; known are"),
        ({'architecture': 'vit_smal_patch16_224'}, 'Nearest are vit_small_patch16_224'),
        ({'model_type': 'dinov3_vit', 'use_gated_mlp': True}, 'gated MLP'),
    ],
)
def test_a_folder_that_cannot_be_described_says_why(
    config: dict[str, Any] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if config:
        (tmp_path / 'config.json').write_text(json.dumps(config))
    assert main(['describe', str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind not in ('clip', 'siglip')])
def test_what_a_config_leaves_out_is_what_transformers_takes(kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    usual, _ = KINDS[kind]
    assert {name: value for name, value in usual.items() if hasattr(config, name)} == {
        name: getattr(config, name) for name in usual if hasattr(config, name)
    }


def test_a_folder_of_transformers_dinov2_is_for_our_own_vit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tower = transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=64
        )
    )
    tower.save_pretrained(tmp_path)
    recipe = recipe_from_dict(described(tmp_path, capsys))
    assert (recipe.backbone.kind, recipe.backbone.image_size) == ('vit', 64)
    start_from(EarlyExitViT(recipe), tmp_path)
