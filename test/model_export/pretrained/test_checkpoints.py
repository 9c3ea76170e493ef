"""What training scripts save: wrappers, prefixes, several networks, objects beside the weights."""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.pretrained.networks import state_dicts
from model_export.recipe.recipe import Recipe
from test.model_export.pretrained.test_files import peer, started

State = dict[str, Tensor]
PEERS = ['timm_vit', 'transformers_vit', 'torchvision_vit', 'torchvision_swin', 'timm_swin']


def below(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def compiled_inside(state: State) -> State:
    """What torch.compile of every layer leaves in the names."""
    return {name.replace('blocks.0.', 'blocks.0._orig_mod.'): t for name, t in state.items()}


def scaled(state: State, factor: float) -> State:
    return {name: t * factor if t.is_floating_point() else t for name, t in state.items()}


def bias_of(found: State) -> Tensor:
    return found['backbone.blocks.1.attn.proj.bias']


def check_same(recipe: Recipe, state: State, content: Any, tmp_path: Path) -> str:
    """Start from the plain weights and from `content`; both must give the same model."""
    plain, saved = tmp_path / 'plain.safetensors', tmp_path / 'saved.ckpt'
    save_file(state, plain)
    torch.save(content, saved)
    expected, _ = started(recipe, plain)
    found, words = started(recipe, saved)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    return words


PREFIXES = [
    'module.',
    '_orig_mod.',
    'model.',
    'backbone.',
    'net.',
    'encoder.',
    'module._orig_mod.',
    '_orig_mod.module.',
    'model.module.',
    'model._orig_mod.backbone.',
    'student.backbone.',
    'a.wrapper.of.my.own.',
]


@pytest.mark.parametrize(
    ('name', 'prefix'),
    [(PEERS[number % len(PEERS)], prefix) for number, prefix in enumerate(PREFIXES)]
    + [(name, 'encoder.') for name in PEERS],
)
def test_prefixes_are_found(name: str, prefix: str, tmp_path: Path) -> None:
    recipe, state = peer(name)
    content = {'epoch': 3, 'state_dict': below(prefix, state)}
    words = check_same(recipe, state, content, tmp_path)
    assert words.endswith('; classifier taken')


WRAPPERS: dict[str, Callable[[State], Any]] = {
    'a layer compiled': lambda state: {'model': compiled_inside(state)},
    'model_state_dict': lambda state: {'model_state_dict': state, 'loss': 0.1},
    'in a list': lambda state: [3, {'state_dict': state}],
    'nested': lambda state: {'checkpoint': {'net': {'state_dict': state}}},
    'optimizer beside': lambda state: {
        'optimizer_states': [{'state': {0: {'exp_avg': torch.ones(3), 'step': torch.ones(())}}}],
        'optimizer': {'state': {0: {'exp_avg': torch.ones(3)}}, 'param_groups': [{'lr': 0.1}]},
        'state_dict': state,
    },
    'objects beside': lambda state: {
        'args': argparse.Namespace(lr=0.1, out=PosixPath('/runs')),
        'best_acc': np.float64(0.5),
        'history': np.arange(3),
        'model': state,
    },
    'parameters': lambda state: {name: nn.Parameter(t, False) for name, t in state.items()},
}


@pytest.mark.parametrize('wrapper', WRAPPERS)
def test_wrappers_and_what_stands_beside_are_passed_by(wrapper: str, tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    words = check_same(recipe, state, WRAPPERS[wrapper](state), tmp_path)
    assert words.endswith('; classifier taken')


def test_a_file_of_the_form_before_torch_1_6_is_read(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    content = {'model': state, 'args': argparse.Namespace(lr=0.1), 'best': np.float64(1)}
    path = tmp_path / 'model_best.pth.tar'
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert torch.equal(bias_of(started(recipe, path)[0]), state['blocks.1.attn.proj.bias'].float())


@pytest.mark.parametrize(
    ('taken', 'left'),
    [
        ('state_dict_ema', 'state_dict'),
        ('model_ema', 'model'),
        ('ema', 'model'),
        ('teacher', 'student'),
        ('best_state_dict', 'last_state_dict'),
        ('model', 'student'),
        ('state_dict', 'current_model_state'),
    ],
)
@pytest.mark.parametrize('as_keys', [True, False], ids=['keys', 'prefixes'])
def test_of_several_networks_the_preferred_is_taken_and_said(
    taken: str, left: str, as_keys: bool, tmp_path: Path
) -> None:
    recipe, state = peer('timm_vit')
    two = {left: scaled(state, 0.5), taken: state}
    content: Any = two
    if not as_keys:
        content = {'state_dict': below(f'{left}.', two[left]) | below(f'{taken}.', two[taken])}
    words = check_same(recipe, state, content, tmp_path)
    assert taken in words and f'not {"" if as_keys else "state_dict."}{left}' in words


def test_of_several_networks_the_one_that_fits_the_recipe_is_taken(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    larger = {name: torch.cat([t, t], -1) if t.ndim else t for name, t in state.items()}
    words = check_same(recipe, state, {'teacher': larger, 'student': state}, tmp_path)
    assert 'student is taken of its 2 networks, not teacher' in words


def test_tensors_beside_the_network_are_named(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    projector = {'projector.0.weight': torch.ones(3, 3), 'n_averaged': torch.tensor(5)}
    words = check_same(recipe, state, {**below('module.', state), **projector}, tmp_path)
    assert '2 tensors beside it are not used: projector.0.weight, n_averaged' in words


def test_names_that_torch_itself_makes(tmp_path: Path) -> None:
    wrapped = AveragedModel(nn.Sequential(nn.Linear(2, 2)))
    [(_, found)] = state_dicts(wrapped.state_dict())
    assert set(found) == {'n_averaged', 'module.0.weight', 'module.0.bias'}


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_any_floats_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    path = tmp_path / 'x.BIN'
    torch.save(below('module.', {name: t.to(dtype) for name, t in state.items()}), path)
    found, _ = started(recipe, path)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    expected = state['blocks.1.attn.proj.bias'].to(dtype).float()
    assert torch.equal(bias_of(found), expected)


def test_safetensors_are_told_by_their_content(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    save_file(state, tmp_path / 'weights.pt')
    assert 'classifier taken' in started(recipe, tmp_path / 'weights.pt')[1]


def test_one_file_of_several_means_all(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    halves: list[State] = [{}, {}]
    for number, (name, tensor) in enumerate(state.items()):
        halves[number % 2][name] = tensor
    for number, half in enumerate(halves, start=1):
        save_file(half, tmp_path / f'model-0000{number}-of-00002.safetensors')
    assert 'classifier taken' in started(recipe, tmp_path)[1]
    first = tmp_path / 'model-00001-of-00002.safetensors'
    assert 'classifier taken' in started(recipe, first)[1]
    (tmp_path / 'model-00002-of-00002.safetensors').unlink()
    with pytest.raises(ModelExportError, match=r"\['model-00002-of-00002.*missing"):
        started(recipe, first)


def test_another_number_of_classes_is_told(tmp_path: Path) -> None:
    recipe, state = peer('torchvision_vit')
    torch.save(below('module.', state), tmp_path / 'x.pth')
    words = started(dataclasses.replace(recipe, num_classes=7), tmp_path / 'x.pth')[1]
    assert words.endswith('classifier at random: it has 5 classes, the recipe 7')


@pytest.mark.parametrize('head', ['heads.', 'heads.1.'])
def test_a_replaced_classifier_of_torchvision(head: str, tmp_path: Path) -> None:
    recipe, state = peer('torchvision_vit')
    renamed = {name.replace('heads.head.', head): tensor for name, tensor in state.items()}
    torch.save(renamed, tmp_path / 'x.pth')
    found, words = started(recipe, tmp_path / 'x.pth')
    assert torch.equal(found['backbone.classifier.bias'], state['heads.head.bias'].float())
    assert words.endswith('classifier taken')


def test_positions_of_another_size_are_resized(tmp_path: Path) -> None:
    recipe, state = peer('torchvision_vit')
    torch.save(below('model.', state), tmp_path / 'x.pth')
    backbone = dataclasses.replace(recipe.backbone, image_size=48)
    found, words = started(dataclasses.replace(recipe, backbone=backbone), tmp_path / 'x.pth')
    assert found['backbone.pos_embed'].shape[1] == 37 and 'resized to a grid of 6' in words


class Settings(dict[str, Any]):
    """As yacs and others keep them."""


def test_settings_that_are_a_kind_of_dict_are_passed_by(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    beside = {'config': Settings(lr=0.1), 'history': defaultdict(list, loss=[np.float32(1)])}
    assert 'classifier taken' in check_same(recipe, state, {**beside, 'model': state}, tmp_path)


def test_sparse_tensors_become_dense(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    sparse = {k: t.float().to_sparse() if t.ndim == 2 else t for k, t in state.items()}
    check_same(recipe, state, sparse, tmp_path)


def test_a_state_dict_of_our_own_model_is_known(tmp_path: Path) -> None:
    recipe, _ = peer('timm_vit')
    torch.manual_seed(1)
    model = EarlyExitViT(recipe)
    torch.save({'state_dict': below('module.', model.state_dict())}, tmp_path / 'mine.pt')
    found, words = started(recipe, tmp_path / 'mine.pt')
    assert 'a model of ours' in words
    assert torch.equal(bias_of(found), bias_of(model.state_dict()))


class Harmful:
    """An object that would run code while it is loaded."""

    ran: list[str] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (Harmful.ran.append, ('ran',))


def test_no_object_in_a_file_runs_code(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    torch.save({'model': state, 'extra': Harmful()}, tmp_path / 'x.pt')
    try:
        started(recipe, tmp_path / 'x.pt')
    except ModelExportError:
        pass  # refused is as good
    assert not Harmful.ran


class Trained(nn.Module):
    """A model of somebody's own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


@pytest.mark.parametrize(
    'wrap',
    [
        lambda model: model,
        lambda model: {'epoch': 1, 'model': model},
        lambda model: {'ema': model, 'optimizer': {'state': {0: {'exp_avg': torch.ones(2)}}}},
    ],
)
def test_a_pickled_model_is_told_with_the_cure(wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    torch.save(wrap(Trained()), tmp_path / 'x.pt')
    with pytest.raises(ModelExportError, match=r'Trained.*state_dict\(\)'):
        started(peer('timm_vit')[0], tmp_path / 'x.pt')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'git lfs pull'),
        (b'<!DOCTYPE html>', 'a web page'),
        (b'', 'it is empty'),
        (b'PK\x03\x04 cut', 'as tensors alone'),
    ],
)
@pytest.mark.parametrize('name', ['x.pt', 'x.safetensors'])
def test_what_is_no_weights_at_all(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelExportError, match='cannot read') as info:
        started(peer('timm_vit')[0], tmp_path / name)
    assert message in str(info.value) or name.endswith('safetensors')


def test_an_unknown_form_is_told_with_the_nearest(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    other = {name.replace('attn.qkv', 'attention.all'): tensor for name, tensor in state.items()}
    args = argparse.Namespace(lr=0.1)
    torch.save({'args': args, 'state_dict': below('net.', other)}, tmp_path / 'x.pt')
    with pytest.raises(ModelExportError) as info:
        started(recipe, tmp_path / 'x.pt')
    said = str(info.value)
    assert 'Nearest is a ViT, DeiT or DINOv2 of timm' in said and 'state_dict.net' in said
    assert 'backbone.blocks.0.attn.qkv.weight' in said and 'attention.all' in said


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    recipe, state = peer('timm_vit')
    state['norm.weight'] = state['norm.weight'] * float('nan')
    save_file(state, tmp_path / 'x.safetensors')
    with pytest.raises(ModelExportError, match=r'1 of its tensors .*not finite.*norm\.weight'):
        started(recipe, tmp_path / 'x.safetensors')
