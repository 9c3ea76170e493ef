"""What a folder from a model hub holds, in the words of a recipe, by its `config.json`.

timm writes one and transformers another. The latter leaves out what is as its classes have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model_export.errors import ModelExportError
from model_export.pretrained.config import pixels_in
from model_export.pretrained.files import read_json
from model_export.timm_models.create import known_name, pixels_of

Words = dict[str, Any]

_VIT: Words = {
    'hidden_size': 768,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'intermediate_size': 3072,
    'image_size': 224,
    'patch_size': 16,
}
_DINOV2: Words = {**_VIT, 'mlp_ratio': 4, 'use_swiglu_ffn': False}
_SWIN: Words = {
    'image_size': 224,
    'patch_size': 4,
    'embed_dim': 96,
    'depths': (2, 2, 6, 2),
    'num_heads': (3, 6, 12, 24),
    'window_size': 7,
    'mlp_ratio': 4.0,
}
_DINOV3: Words = {
    **_VIT,
    'hidden_size': 384,
    'num_attention_heads': 6,
    'intermediate_size': 1536,
    'num_register_tokens': 0,
    'use_gated_mlp': False,
}


def describe(folder: Path) -> Words:
    """Return the `backbone` of a recipe that takes the weights in a folder.

    Raises:
        ModelExportError: It has no `config.json`, or one of a model that is not supported.
    """
    config = read_json(folder, 'config.json')
    if not config:
        raise ModelExportError(
            f'{folder} holds no config.json: name a folder as a model hub serves it. A file of '
            f'weights alone goes with --init, whose error says the lines that fit'
        )
    if 'architecture' in config:
        return _of_timm(config, folder)
    kind = config.get('model_type')
    if kind not in KINDS:
        raise ModelExportError(
            f'{folder} holds a model of type {kind!r}; known are {sorted(KINDS)} and those of timm'
        )
    usual, words = KINDS[kind]
    inner = config.get('vision_config')
    sizes = {**usual, **(inner if isinstance(inner, dict) else config)}
    for name in ('image_size', 'patch_size'):
        if isinstance(sizes[name], list):  # height and width
            if len(set(sizes[name])) > 1:
                raise ModelExportError(f'{folder}: {name} must be square. Got {sizes[name]}')
            sizes[name] = sizes[name][0]
    return {**words(sizes), **pixels_in(folder)}


def _of_timm(config: Mapping[str, Any], folder: Path) -> Words:
    name = known_name(str(config['architecture']))
    trained = config.get('pretrained_cfg') or {}
    size = trained.get('input_size') or (3, 224, 224)
    words: Words = {'kind': 'timm', 'model': name, 'image_size': size[-1]}
    given = config.get('model_args') or {}
    params = {key: v for key, v in given.items() if key not in ('img_size', 'num_classes')}
    if params:
        words['params'] = params
    words['weights'] = str(folder)
    pixels = pixels_in(folder)
    return words if tuple(map(tuple, pixels.values())) == pixels_of(name) else {**words, **pixels}


def _vit(sizes: Words) -> Words:
    """Return our own ViT's words, which DeiT and DINOv2 share."""
    if sizes.get('use_swiglu_ffn'):
        raise ModelExportError('a DINOv2 with a gated MLP (SwiGLU) is not supported')
    ratio = sizes.get('mlp_ratio', sizes['intermediate_size'] / sizes['hidden_size'])
    return {
        'image_size': sizes['image_size'],
        'patch_size': sizes['patch_size'],
        'width': sizes['hidden_size'],
        'layers': sizes['num_hidden_layers'],
        'attention_heads': sizes['num_attention_heads'],
        'mlp_ratio': float(ratio),
    }


def _deit(sizes: Words) -> Words:
    return {'kind': 'deit', **_vit(sizes)}


def _dinov2(sizes: Words) -> Words:
    registers = sizes.get('num_register_tokens', 0)
    return {**_vit(sizes), 'layer_scale': True, **({'registers': registers} if registers else {})}


def _swin(sizes: Words) -> Words:
    return {
        'kind': 'swin',
        'image_size': sizes['image_size'],
        'patch_size': sizes['patch_size'],
        'width': sizes['embed_dim'],
        'layers': sum(sizes['depths']),
        'depths': list(sizes['depths']),
        'attention_heads': sizes['num_heads'][0],
        'window': sizes['window_size'],
        'mlp_ratio': float(sizes['mlp_ratio']),
    }


def _tower(model: str, sizes: Words, **params: Any) -> Words:
    """Return the words of a model of timm with these sizes."""
    sized = {
        'patch_size': sizes['patch_size'],
        'embed_dim': sizes['hidden_size'],
        'depth': sizes['num_hidden_layers'],
        'num_heads': sizes['num_attention_heads'],
        'mlp_ratio': sizes['intermediate_size'] / sizes['hidden_size'],
        **params,
    }
    return {'kind': 'timm', 'model': model, 'image_size': sizes['image_size'], 'params': sized}


def _siglip(sizes: Words) -> Words:
    pool = '' if sizes.get('vision_use_head', True) else 'gap_'  # without: the patches' mean
    return _tower(f'vit_base_patch16_siglip_{pool}224', sizes, act_layer='gelu_tanh')


def _clip(sizes: Words) -> Words:
    quick = sizes['hidden_act'] == 'quick_gelu'
    return _tower(f'vit_base_patch32_clip_{"quickgelu_" if quick else ""}224', sizes)


def _dinov3(sizes: Words) -> Words:
    if sizes['use_gated_mlp']:
        raise ModelExportError(
            "a DINOv3 of transformers with a gated MLP is not supported: take timm's folder of it"
        )
    registers = sizes['num_register_tokens']
    return _tower('vit_small_patch16_dinov3_qkvb', sizes, num_reg_tokens=registers)


# What a class of transformers has where its configuration is silent, and our words.
KINDS: dict[str, tuple[Words, Callable[[Words], Words]]] = {
    'vit': (_VIT, _vit),
    'deit': (_VIT, _deit),
    'dinov2': ({**_DINOV2, 'patch_size': 14}, _dinov2),
    'dinov2_with_registers': ({**_DINOV2, 'num_register_tokens': 4}, _dinov2),
    'swin': (_SWIN, _swin),
    'siglip': (_VIT, _siglip),
    'siglip_vision_model': (_VIT, _siglip),
    'clip': ({**_VIT, 'patch_size': 32, 'hidden_act': 'quick_gelu'}, _clip),
    'clip_vision_model': ({**_VIT, 'patch_size': 32, 'hidden_act': 'quick_gelu'}, _clip),
    'dinov3_vit': (_DINOV3, _dinov3),
}
