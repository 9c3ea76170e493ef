"""Models of timm, shrunk by what their classes take: the code of the large ones in a second."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from model_export.network.early_exit import EarlyExitViT
from model_export.planner import place
from model_export.recipe.recipe import Recipe, recipe_from_dict

CLASSES = 5
_VIT = {'embed_dim': 32, 'depth': 3, 'num_heads': 2}
_SWIN = {'embed_dim': 16, 'depths': [1, 2, 2], 'num_heads': [1, 2, 4]}
# Name, image size, parameters, and whether the class takes an image size.
TINY: dict[str, tuple[int, dict[str, Any]]] = {
    'vit_small_patch14_reg4_dinov2': (56, _VIT),
    'vit_small_patch16_dinov3': (64, _VIT),
    'eva02_tiny_patch14_224': (56, _VIT),
    'vit_base_patch16_siglip_224': (64, _VIT),
    'deit3_small_patch16_224': (64, _VIT),
    'swin_tiny_patch4_window7_224': (56, _SWIN),
    'vit_tiny_r_s16_p8_224': (64, _VIT),  # convolutions, then a ViT
}


def recipe_of(name: str, exits: int = 2, **backbone: Any) -> Recipe:
    """The recipe of a tiny model, with exits where the planner puts them."""
    size, params = TINY[name]
    words = {'kind': 'timm', 'model': name, 'image_size': size, 'params': params} | backbone
    data = {
        'name': name,
        'num_classes': CLASSES,
        'backbone': words,
        'exits': [{'layer': 1, 'head': 'mean'}],
    }
    recipe = recipe_from_dict(data)
    planned = place(recipe.backbone, exits, num_classes=CLASSES)
    return dataclasses.replace(recipe, exits=planned)


def theirs(name: str, classes: int = CLASSES, **params: Any) -> Any:
    """timm's own model with random weights, none of them at its initial value."""
    size, words = TINY[name]
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=classes, **{'img_size': size, **words, **params})
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.2 if parameter.ndim > 1 else 0.1
            parameter.add_(spread * torch.randn_like(parameter))
    return model.eval().requires_grad_(False)


def file_of(model: nn.Module, path: Path) -> Path:
    """Write a model's weights."""
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


def images_of(recipe: Recipe, count: int = 2) -> Tensor:
    """Random images uint8 (B, H, W, 3) of the recipe's size."""
    size = recipe.backbone.image_size
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8)


def pixels_of(recipe: Recipe, image: Tensor) -> Tensor:
    """Normalise as timm's own transforms do."""
    mean, std = torch.tensor(recipe.backbone.mean), torch.tensor(recipe.backbone.std)
    return ((image / 255 - mean) / std).permute(0, 3, 1, 2)


def model_of(recipe: Recipe) -> EarlyExitViT:
    """Our model with random weights."""
    torch.manual_seed(0)
    return EarlyExitViT(recipe).eval()
