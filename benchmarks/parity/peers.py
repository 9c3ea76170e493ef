"""Tiny models of other people, with random weights: what ours must compute, too.

`transformers`, `timm` and `torchvision` are imported when a peer of theirs is built; LGViT's own
code is run from a checkout of github.com/falcon-xu/LGViT (`lgvit.py`), the EEViT thesis' from one
of github.com/ionymikler/early_exit_vit. None of them is needed to use this package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

CLASSES = 5
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)  # no two are equal, so that order matters
SIZES = {
    'image_size': 32,
    'patch_size': 8,
    'width': 32,
    'layers': 3,
    'attention_heads': 2,
    'mean': MEAN,
    'std': STD,
}


@dataclass(frozen=True)
class Peer:
    """A model of other people.

    Attributes:
        model: With random weights, in evaluation mode.
        logits: Of pixels (B, 3, H, W): float32 (E + 1, B, C), early exits first.
        state: Its weights under the names that its files have.
        recipe: Ours for the same model, as a recipe file holds it.
    """

    model: nn.Module
    logits: Callable[[Tensor], Tensor]
    state: dict[str, Tensor]
    recipe: dict[str, Any]


def pixels_of(image: Tensor) -> Tensor:
    """Float (B, 3, H, W) as the peers take it, of uint8 images (B, H, W, 3)."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (image.permute(0, 3, 1, 2) / 255 - mean) / std


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Draw every weight and running statistic anew, each rounded to what float16 holds."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point() or name.endswith('attn_mask'):  # timm's Swin's
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith('running_var'):
                value = 0.5 + noise.abs()
            elif tensor.ndim > 1:
                value = 0.2 * noise
            else:  # gains and biases; a gain of about 1 keeps signals alive
                value = 0.1 * noise + (0.0 if name.endswith('bias') else 1.0)
            tensor.copy_(value.half().float())
    return model.eval().requires_grad_(False)


def recipe_of(
    backbone: dict[str, Any] | None = None, exits: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A recipe of a peer's size, with an exit because every recipe has one."""
    return {
        'name': 'parity',
        'num_classes': CLASSES,
        'backbone': {**SIZES, **(backbone or {})},
        'exits': exits or [{'layer': 1, 'head': 'linear'}],
    }


def _transformers(model: Any, logits: Callable[[Tensor], Tensor], backbone: dict[str, Any]) -> Peer:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # names in files and in memory differ since transformers 5
        state = load_file(Path(folder) / 'model.safetensors')
    return Peer(model, lambda pixels: logits(pixels)[None], state, recipe_of(backbone))


def _transformers_sizes() -> dict[str, Any]:
    return {
        'hidden_size': SIZES['width'],
        'num_hidden_layers': SIZES['layers'],
        'num_attention_heads': SIZES['attention_heads'],
        'image_size': SIZES['image_size'],
        'patch_size': SIZES['patch_size'],
        'num_labels': CLASSES,
    }


def transformers_vit(seed: int) -> Peer:
    """`ViTForImageClassification`."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**_transformers_sizes(), intermediate_size=4 * SIZES['width'])
    model = randomise(ViTForImageClassification(config), seed)
    return _transformers(model, lambda pixels: model(pixels).logits, {})


def transformers_deit(seed: int) -> Peer:
    """`DeiTForImageClassificationWithTeacher`, which averages two classifiers."""
    from transformers import DeiTConfig, DeiTForImageClassificationWithTeacher

    config = DeiTConfig(**_transformers_sizes(), intermediate_size=4 * SIZES['width'])
    model = randomise(DeiTForImageClassificationWithTeacher(config), seed)
    return _transformers(model, lambda pixels: model(pixels).logits, {'kind': 'deit'})


def transformers_dinov2(seed: int) -> Peer:
    """`Dinov2ForImageClassification` with a classifier of the class token alone.

    Its own classifier reads the mean of the patches as well, which ours does not.
    """
    from transformers import Dinov2Config, Dinov2ForImageClassification

    model = Dinov2ForImageClassification(Dinov2Config(**_transformers_sizes()))
    model.classifier = nn.Linear(SIZES['width'], CLASSES)
    randomise(model, seed)

    def logits(pixels: Tensor) -> Tensor:
        return model.classifier(model.dinov2(pixels).last_hidden_state[:, 0])

    return _transformers(model, logits, {'layer_scale': True})


def transformers_dinov2_registers(seed: int) -> Peer:
    """`Dinov2WithRegistersForImageClassification`, likewise."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification

    config = Dinov2WithRegistersConfig(**_transformers_sizes(), num_register_tokens=3)
    model = Dinov2WithRegistersForImageClassification(config)
    model.classifier = nn.Linear(SIZES['width'], CLASSES)
    randomise(model, seed)

    def logits(pixels: Tensor) -> Tensor:
        return model.classifier(model.dinov2_with_registers(pixels).last_hidden_state[:, 0])

    return _transformers(model, logits, {'layer_scale': True, 'registers': 3})


def _as_in_memory(model: nn.Module, seed: int, backbone: dict[str, Any]) -> Peer:
    randomise(model, seed)
    return Peer(model, lambda pixels: model(pixels)[None], model.state_dict(), recipe_of(backbone))


def _timm_sizes() -> dict[str, Any]:
    return {
        'img_size': SIZES['image_size'],
        'patch_size': SIZES['patch_size'],
        'embed_dim': SIZES['width'],
        'depth': SIZES['layers'],
        'num_heads': SIZES['attention_heads'],
        'num_classes': CLASSES,
    }


def timm_vit(seed: int) -> Peer:
    """`VisionTransformer`."""
    from timm.models.vision_transformer import VisionTransformer

    return _as_in_memory(VisionTransformer(**_timm_sizes()), seed, {})


def timm_registers(seed: int) -> Peer:
    """`VisionTransformer` as timm's DINOv2 with registers: class and registers lack positions."""
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(**_timm_sizes(), reg_tokens=3, no_embed_class=True, init_values=1e-5)
    return _as_in_memory(model, seed, {'layer_scale': True, 'registers': 3})


def timm_deit(seed: int) -> Peer:
    """`VisionTransformerDistilled`, which averages two classifiers."""
    from timm.models.deit import VisionTransformerDistilled

    return _as_in_memory(VisionTransformerDistilled(**_timm_sizes()), seed, {'kind': 'deit'})


def torchvision_vit(seed: int) -> Peer:
    """`VisionTransformer` of torchvision."""
    from torchvision.models.vision_transformer import VisionTransformer

    model = VisionTransformer(
        image_size=SIZES['image_size'],
        patch_size=SIZES['patch_size'],
        num_layers=SIZES['layers'],
        num_heads=SIZES['attention_heads'],
        hidden_dim=SIZES['width'],
        mlp_dim=4 * SIZES['width'],
        num_classes=CLASSES,
    )
    return _as_in_memory(model, seed, {})


TRANSFORMERS = (
    transformers_vit,
    transformers_deit,
    transformers_dinov2,
    transformers_dinov2_registers,
)
TIMM = (timm_vit, timm_registers, timm_deit)
