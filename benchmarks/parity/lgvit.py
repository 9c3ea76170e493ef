"""LGViT's own code and the EEViT thesis', run from checkouts, as peers.

LGViT was written for transformers 4.26. What newer ones lack is put in its place here; none of it
takes part in the forward pass.
"""

from __future__ import annotations

import collections
import collections.abc
import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.checkout import modules_in
from benchmarks.parity.peers import CLASSES, MEAN, STD, Peer, randomise, recipe_of

SIZES = {
    'image_size': 32,
    'patch_size': 4,
    'width': 16,
    'layers': 12,
    'attention_heads': 2,
    'mean': MEAN,
    'std': STD,
}
POSITIONS = [4, 5, 6, 7, 8, 9, 10, 11]  # LGViT's exits on ViT-B/16 and DeiT-B
LOCAL = [{'head': 'lph', 'params': {'kernel': k, 'norm': 'none'}} for k in (3, 3, 1, 1)]
GLOBAL = [
    {'head': 'gah', 'params': {'window': w, 'attention_heads': 8, 'sample': True, 'norm': 'none'}}
    for w in (2, 2, 3, 3)
]
EXITS = [{'layer': layer, **head} for layer, head in zip(POSITIONS, LOCAL + GLOBAL, strict=True)]


def lgvit_vit(checkout: Path, seed: int) -> Peer:
    """LGViT on a ViT."""
    return _lgvit(checkout, seed, 'ViT')


def lgvit_deit(checkout: Path, seed: int) -> Peer:
    """LGViT on a DeiT: two classifiers are averaged at every exit."""
    return _lgvit(checkout, seed, 'DeiT')


def _lgvit(checkout: Path, seed: int, backbone: str) -> Peer:
    modeling = load_lgvit(checkout, 'deit')
    config = sys.modules['configuration_deit'].DeiTConfig(
        hidden_size=SIZES['width'],
        num_hidden_layers=SIZES['layers'],
        num_attention_heads=SIZES['attention_heads'],
        intermediate_size=4 * SIZES['width'],
        image_size=SIZES['image_size'],
        patch_size=SIZES['patch_size'],
        num_labels=CLASSES,
        num_early_exits=len(POSITIONS),
        position_exits=str(POSITIONS),
        exit_strategy='confidence',
        train_strategy='distillation_LGViT',
        highway_type='LGViT',
        threshold=2.0,  # no confidence is larger: all exits answer and none is taken
        backbone=backbone,
    )
    model: Any = randomise(modeling.DeiTHighwayForImageClassification_distillation(config), seed)

    def logits(pixels: Tensor) -> Tensor:
        early = [exit[0] for exit in model.deit(pixels)[-1]['highway']]
        final = model(pixels, labels=torch.zeros(len(pixels), dtype=torch.long))[1]
        return torch.stack([*early, final])

    kind = {'kind': 'deit'} if backbone == 'DeiT' else {}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Peer(model, logits, state, recipe_of({**SIZES, **kind}, EXITS))


def load_lgvit(checkout: Path, kind: str) -> Any:
    """Import LGViT's modules of a `deit` or `swin` by the names that they know each other by."""
    import timm.layers
    import transformers
    from transformers import pytorch_utils, utils

    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    onnx = types.ModuleType('transformers.onnx')
    onnx.OnnxConfig = object  # type: ignore[attr-defined]
    sys.modules['transformers.onnx'] = onnx
    sys.modules['timm.models.layers'] = timm.layers
    pytorch_utils.find_pruneable_heads_and_indices = None  # only ever called to prune

    def undecorated(*_: Any, **__: Any) -> Any:
        return lambda function: function

    for name in (
        'add_code_sample_docstrings',
        'add_start_docstrings',
        'add_start_docstrings_to_model_forward',
        'replace_return_docstrings',
    ):
        setattr(utils, name, undecorated)
    base = transformers.PreTrainedModel
    base.get_head_mask = lambda self, mask, layers: [None] * layers  # type: ignore[attr-defined]

    transformers.modeling_utils.BackboneMixin = object  # type: ignore[misc]

    folder = checkout / 'models' / f'{kind}_highway'
    for name in ('models', 'models.deit_highway', f'models.{kind}_highway'):
        sys.modules[name] = types.ModuleType(name)  # their own would import what is not needed
    deit: Any = sys.modules['models.deit_highway']
    deit.DeiTConfig = deit.DeiTLayer = None  # the ViT-EE heads of a Swin, which nobody makes
    sys.modules[f'models.{kind}_highway'].__path__ = [str(folder)]
    return modules_in(folder, f'models.{kind}_highway.modeling_highway_{kind}')[0]
