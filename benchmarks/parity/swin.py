"""Tiny Swins of other people, with random weights.

Sizes are chosen so that every case occurs: grids that the window does not divide, odd grids to
merge, a grid of one window, and with timm a window that shrinks to the grid (transformers and LGViT
fail there). Timm's grids need no padding: it pads a shifted grid after the shift, the others (and
we) before.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.parity.lgvit import load_lgvit
from benchmarks.parity.peers import CLASSES, MEAN, STD, Peer, randomise, recipe_of

# LGViT's eight heads on a Swin-B, here after layers that a smaller one has.
_LOCAL = [{'head': 'lph', 'params': {'kernel': k, 'norm': 'last'}} for k in (3, 3, 1, 1)]
_GLOBAL = [
    {'head': 'gah', 'params': {'window': w, 'attention_heads': 8, 'sample': True, 'norm': 'last'}}
    for w in (1, 1, 2, 2)
]


def transformers_swin(seed: int) -> Peer:
    """`SwinForImageClassification`."""
    from transformers import SwinConfig, SwinForImageClassification

    backbone = _backbone(image_size=52, depths=[2, 2, 2], window=4)
    model: Any = SwinForImageClassification(SwinConfig(**_config(backbone)))
    randomise(model, seed)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        state = load_file(Path(folder) / 'model.safetensors')
    return Peer(model, lambda pixels: model(pixels).logits[None], state, recipe_of(backbone, _ONE))


def timm_swin(seed: int) -> Peer:
    """The `SwinTransformer` of timm."""
    from timm.models.swin_transformer import SwinTransformer

    backbone = _backbone(image_size=32, depths=[2, 2, 2], window=4)
    model: Any = SwinTransformer(
        img_size=backbone['image_size'],
        patch_size=backbone['patch_size'],
        num_classes=CLASSES,
        embed_dim=backbone['width'],
        depths=backbone['depths'],
        num_heads=_heads(backbone),
        window_size=backbone['window'],
        mlp_ratio=backbone['mlp_ratio'],
    )
    randomise(model, seed)
    state = model.state_dict()
    return Peer(model, lambda pixels: model(pixels)[None], state, recipe_of(backbone, _ONE))


def torchvision_swin(seed: int) -> Peer:
    """The `SwinTransformer` of torchvision."""
    from torchvision.models.swin_transformer import SwinTransformer

    backbone = _backbone(image_size=52, depths=[2, 2, 2], window=4)
    model: Any = SwinTransformer(
        patch_size=[backbone['patch_size']] * 2,
        embed_dim=backbone['width'],
        depths=backbone['depths'],
        num_heads=_heads(backbone),
        window_size=[backbone['window']] * 2,
        mlp_ratio=backbone['mlp_ratio'],
        num_classes=CLASSES,
    )
    randomise(model, seed)
    state = model.state_dict()
    return Peer(model, lambda pixels: model(pixels)[None], state, recipe_of(backbone, _ONE))


def lgvit_swin(checkout: Path, seed: int) -> Peer:
    """LGViT on a Swin, with the stages' share of its eight exits."""
    modeling = load_lgvit(checkout, 'swin')
    backbone = _backbone(image_size=52, depths=[1, 2, 8, 2], window=2)
    config = modeling.SwinConfig(
        **_config(backbone),
        exit_strategy='confidence',
        highway_type='LGViT',
        num_early_exits='[0,1,6,1]',
        position_exits='[[],[2],[1,2,3,5,6,7],[1]]',
        threshold=2.0,  # no confidence is larger: all exits answer and none is taken
        feature_loss_coefficient=0.0,
    )
    model: Any = randomise(modeling.SwinHighwayForImageClassification(config), seed)

    def logits(pixels: Tensor) -> Tensor:
        _, pooled, stages = model.swin(pixels)
        early = [exit[0] for stage in stages for exit in stage]
        return torch.stack([*early, model.classifier(pooled)])

    layers = (3, 4, 5, 6, 8, 9, 10, 12)
    heads = zip(layers, _LOCAL + _GLOBAL, strict=True)
    exits = [{'layer': layer, **head} for layer, head in heads]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return Peer(model, logits, state, recipe_of(backbone, exits))


_ONE = [{'layer': 1, 'head': 'mean'}]  # a recipe has an exit, though the peer has none


def _backbone(*, image_size: int, depths: list[int], window: int) -> dict[str, Any]:
    return {
        'kind': 'swin',
        'image_size': image_size,
        'patch_size': 4,
        'width': 8,
        'layers': sum(depths),
        'attention_heads': 2,
        'mlp_ratio': 2.0,
        'mean': MEAN,
        'std': STD,
        'depths': depths,
        'window': window,
    }


def _config(backbone: dict[str, Any]) -> dict[str, Any]:
    """A recipe's backbone in the words of a Hugging Face configuration."""
    return {
        'image_size': backbone['image_size'],
        'patch_size': backbone['patch_size'],
        'embed_dim': backbone['width'],
        'depths': backbone['depths'],
        'num_heads': _heads(backbone),
        'window_size': backbone['window'],
        'mlp_ratio': backbone['mlp_ratio'],
        'num_labels': CLASSES,
        'drop_path_rate': 0.0,
    }


def _heads(backbone: dict[str, Any]) -> list[int]:
    return [backbone['attention_heads'] * 2**stage for stage in range(len(backbone['depths']))]
