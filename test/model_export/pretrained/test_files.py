"""The forms in which other people's weights come, and what is said of those that do not fit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained import start_from
from model_export.pretrained.forms.weight_format import resize_positions
from model_export.recipe.recipe import Recipe, recipe_from_dict

GOLDEN = Path(__file__).parent / 'parity'


def peer(name: str) -> tuple[Recipe, dict[str, Tensor]]:
    """Our recipe and the weights of another model, as test_parity.py has them."""
    path = GOLDEN / f'{name}.safetensors'
    with safe_open(str(path), 'pt') as file:
        recipe = recipe_from_dict(json.loads(file.metadata()['recipe']))
    tensors = load_file(path)
    return recipe, {k: t for k, t in tensors.items() if not k.startswith('golden.')}


def started(recipe: Recipe, source: Path) -> tuple[dict[str, Tensor], str]:
    torch.manual_seed(0)
    model = EarlyExitViT(recipe)
    words = start_from(model, source)
    return model.state_dict(), words


def shards(state: dict[str, Tensor], folder: Path) -> None:
    halves: list[dict[str, Tensor]] = [{}, {}]
    for number, (name, tensor) in enumerate(state.items()):
        halves[number % 2][name] = tensor
    names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
    for file, half in zip(names, halves, strict=True):
        save_file(half, folder / file)
    index = {name: names[i] for i, half in enumerate(halves) for name in half}
    (folder / 'model.safetensors.index.json').write_text(json.dumps({'weight_map': index}))


FORMS = {
    'file': lambda state, folder: save_file(state, folder / 'vit.safetensors'),
    'hub': lambda state, folder: save_file(state, folder / 'model.safetensors'),
    'sharded': shards,
    'old hub': lambda state, folder: torch.save(state, folder / 'pytorch_model.bin'),
    'wrapped': lambda state, folder: torch.save({'model': state}, folder / 'deit.pth'),
    'in memory': lambda state, folder: save_file(in_memory(state), folder / 'x.safetensors'),
}


def in_memory(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names that a model of transformers 5 has while it is in memory."""
    swaps = [
        ('encoder.layer.', 'layers.'),
        ('attention.attention.query', 'attention.q_proj'),
        ('attention.attention.key', 'attention.k_proj'),
        ('attention.attention.value', 'attention.v_proj'),
        ('attention.output.dense', 'attention.o_proj'),
        ('intermediate.dense', 'mlp.fc1'),
        ('output.dense', 'mlp.fc2'),
    ]
    renamed = {}
    for name, tensor in state.items():
        for old, new in swaps:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize('form', FORMS)
def test_a_folder_is_read_in_any_form(form: str, tmp_path: Path) -> None:
    recipe, state = peer('transformers_vit')
    FORMS[form](state, tmp_path)
    found, words = started(recipe, tmp_path)
    norm = state['vit.encoder.layer.2.layernorm_after.weight'].float()
    assert torch.equal(found['backbone.blocks.2.norm2.weight'], norm)
    assert torch.equal(found['backbone.classifier.bias'], state['classifier.bias'].float())
    assert (
        words == f'started from {tmp_path}: a ViT, DeiT or DINOv2 of Hugging Face; classifier taken'
    )


def test_other_classes_leave_every_classifier_at_random(tmp_path: Path) -> None:
    recipe, state = peer('lgvit_deit')
    save_file(state, tmp_path / 'model.safetensors')
    other = dataclasses.replace(recipe, num_classes=7)
    found, words = started(other, tmp_path)
    assert words.endswith(
        'classifier at random: it has 5 classes, the recipe 7; '
        '8 exit heads taken without their classifiers'
    )
    their = 'deit.encoder.highway.5.mlp.qkv.weight'
    assert torch.equal(found['heads.5.neck.qkv.weight'], state[their].float())
    assert found['heads.5.classifier.of_class.weight'].shape == (7, 16)


def test_heads_of_another_number_of_exits_are_left_out(tmp_path: Path) -> None:
    recipe, state = peer('lgvit_vit')
    save_file(state, tmp_path / 'model.safetensors')
    fewer = dataclasses.replace(recipe, exits=recipe.exits[:3])
    found, words = started(fewer, tmp_path)
    assert words.endswith('its 8 exit heads are not used: the recipe has 3')
    bias = state['deit.layernorm.bias'].float()
    assert torch.equal(found['backbone.norm.bias'], bias)


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        (
            'transformers_vit',
            {'layers': 2, 'mlp_ratio': 2.0},
            r'12 left over: backbone\.blocks\.2\.\S+, .*; 6 of another shape: '
            r'backbone\.blocks\.0\.mlp\.fc1\.weight \[128, 32\] \(recipe: \[64, 32\]\)',
        ),
        ('transformers_vit', {'layers': 4}, r'12 missing: backbone\.blocks\.3\.norm1\.weight, '),
        ('transformers_deit', {'kind': 'vit'}, r'1 left over: backbone\.dist_token'),
        ('timm_vit', {'kind': 'deit'}, r'1 missing: backbone\.dist_token'),
        (
            'timm_registers',
            {'registers': 2},
            r'register_tokens \[1, 3, 32\] \(recipe: \[1, 2, 32\]\)',
        ),
        ('timm_registers', {'registers': 0}, r'1 left over: backbone\.register_tokens'),
    ],
)
def test_what_does_not_fit_is_counted_and_named(
    name: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    recipe, state = peer(name)
    path = tmp_path / 'weights.safetensors'
    save_file(state, path)
    other = dataclasses.replace(recipe, backbone=dataclasses.replace(recipe.backbone, **change))
    with pytest.raises(ModelExportError, match=r'does not fit the recipe.*' + message):
        started(other, path)


def test_a_head_that_normalises_is_not_lgvits(tmp_path: Path) -> None:
    recipe, state = peer('lgvit_vit')
    save_file(state, tmp_path / 'model.safetensors')
    exits = list(recipe.exits)
    exits[0] = dataclasses.replace(exits[0], params={'kernel': 3})
    with pytest.raises(ModelExportError, match=r'2 missing: heads\.0\.norm\.weight, heads\.0\.nor'):
        started(dataclasses.replace(recipe, exits=tuple(exits)), tmp_path)


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'num_attention_heads': 4}, 'with 4 attention heads; the recipe has attention_heads 2'),
        (
            {'position_exits': '[1,2,3,4,5,6,7,8]'},
            r'exits after layers \[1, 2, .*; the recipe \[4,',
        ),
    ],
)
def test_what_a_config_says_is_compared(
    config: dict[str, Any], message: str, tmp_path: Path
) -> None:
    recipe, state = peer('lgvit_vit')
    save_file(state, tmp_path / 'model.safetensors')
    (tmp_path / 'config.json').write_text(json.dumps(config))
    for source in (tmp_path, tmp_path / 'model.safetensors'):
        with pytest.raises(ModelExportError, match=message):
            started(recipe, source)


@pytest.mark.parametrize(
    ('name', 'file', 'content'),
    [
        ('transformers_vit', 'preprocessor_config.json', {'image_mean': [0.5], 'image_std': [0.5]}),
        ('timm_vit', 'config.json', {'pretrained_cfg': {'mean': [0.5] * 3, 'std': [0.5] * 3}}),
    ],
)
def test_pixels_normalised_otherwise_are_told(
    name: str, file: str, content: dict[str, Any], tmp_path: Path
) -> None:
    recipe, state = peer(name)
    save_file(state, tmp_path / 'model.safetensors')
    (tmp_path / file).write_text(json.dumps(content))
    assert 'NOTE: it was trained with mean [0.5' in started(recipe, tmp_path)[1]
    ours = recipe.backbone
    same = {'mean': list(ours.mean), 'std': list(ours.std)}
    (tmp_path / 'config.json').write_text(json.dumps({'pretrained_cfg': same}))
    (tmp_path / 'preprocessor_config.json').unlink(missing_ok=True)
    assert 'NOTE' not in started(recipe, tmp_path)[1]


def test_a_pickled_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'model.pt'
    torch.save(nn.Linear(2, 2), path)
    recipe, _ = peer('timm_vit')
    with pytest.raises(ModelExportError, match='whole pickled model, loading it would run code'):
        started(recipe, path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            {'a': torch.ones(1)},
            r"unknown form\. None of its 1 names .* begin with \['a'\].*Known are",
        ),
        ([torch.ones(1)], 'names and tensors. Got list with nothing that has a name'),
        ({'a': 1}, r"must hold a state dict, names and tensors. Got dict with \['a'\]"),
        ([1], 'Got list with nothing'),
    ],
)
def test_what_holds_no_weights_is_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'weights.pt'
    torch.save(content, path)
    with pytest.raises(ModelExportError, match=message):
        started(peer('timm_vit')[0], path)


def test_a_folder_must_be_whole(tmp_path: Path) -> None:
    recipe, state = peer('transformers_vit')
    with pytest.raises(ModelExportError, match='no other weights: name one file'):
        started(recipe, tmp_path)
    shards(state, tmp_path)
    (tmp_path / 'model-00002-of-00002.safetensors').unlink()
    with pytest.raises(ModelExportError, match=r"lacks files .*\['model-00002-of-00002"):
        started(recipe, tmp_path)
    (tmp_path / 'model-00002-of-00002.safetensors').write_bytes(b'half')
    with pytest.raises(ModelExportError, match=r'cannot read .*model-00002-of-00002'):
        started(recipe, tmp_path)


def test_positions_are_resized_but_for_those_of_class_tokens() -> None:
    ramp = torch.arange(6.0).repeat(6, 1).flatten().view(1, 36, 1)  # grows to the right
    positions = torch.cat([torch.full((1, 2, 1), 9.0), ramp], dim=1)
    resized = resize_positions(positions, 2, 3)
    assert resized.shape == (1, 11, 1)
    assert resized[0, :2, 0].tolist() == [9, 9]
    rows = resized[0, 2:, 0].view(3, 3)
    torch.testing.assert_close(rows[0], rows[2])
    torch.testing.assert_close(rows[:, 1], torch.full((3,), 2.5))  # the middle stays the middle
    assert (rows.diff(dim=1) > 1.5).all()
    assert torch.equal(resize_positions(positions, 2, 6), positions)
    assert torch.equal(resize_positions(ramp, 2, 6)[0, :2], torch.zeros(2, 1))
