"""What an exit looks at: attention rollout up to its layer, and Grad-CAM for its own answer.

References:
    Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020 (rollout).
    Selvaraju et al., Grad-CAM, ICCV 2017.

Shapes in comments: B images, T tokens as the layers pass them on, h heads, d channels of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_export.network.backbones.base import Backbone
from model_export.network.backbones.vit import Attention, Block
from model_export.network.early_exit import EarlyExitViT
from model_export.network.heads.base import sides


def has_rollout(backbone: Backbone) -> bool:
    """Return whether attention can be rolled out: all tokens attend to all, in every layer."""
    return all(isinstance(block, Block) for block in backbone.blocks)


@torch.no_grad()
def attention_rollout(backbone: Backbone, image: Tensor) -> Tensor:
    """Return how much of each patch the class token holds after each layer.

    Of every layer the attention is averaged over its heads, half of the identity is added for the
    residual branch, and the layers are multiplied (Abnar and Zuidema, equation 1).

    Args:
        backbone: One with `has_rollout`.
        image: uint8 (B, H, W, 3).

    Returns:
        float32 (L, B, grid, grid), none below 0. The mean of both class tokens of a DeiT.
    """
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        assert isinstance(module, Attention)
        seen.append(_attention(module, args[0]))

    attentions = [module for module in backbone.modules() if isinstance(module, Attention)]
    hooks = [module.register_forward_pre_hook(keep) for module in attentions]
    try:
        backbone(image)
    finally:
        for hook in hooks:
            hook.remove()
    rows, columns = sides(backbone.recipe.exit_shape(1)[1])
    heads = backbone.recipe.class_tokens
    rolled = torch.eye(seen[0].shape[-1]).expand_as(seen[0])
    maps = []
    for attention in seen:
        rolled = (0.5 * attention + 0.5 * torch.eye(attention.shape[-1])) @ rolled
        patches = rolled[:, :heads, -rows * columns :].mean(dim=1)  # patches come last
        maps.append(patches.unflatten(-1, (rows, columns)))
    return torch.stack(maps)


def grad_cam(model: EarlyExitViT, image: Tensor, exit_index: int) -> Tensor:
    """Return which patches speak for the answer that one exit gives.

    Taken on the tokens that enter the exit's layer: after it, the patches no longer count for a
    head that reads the class token alone.

    Args:
        model: Model in evaluation mode.
        image: uint8 (B, H, W, 3).
        exit_index: 0 to E; E is the final exit.

    Returns:
        float32 (B, grid, grid), none below 0; all 0 where no patch speaks for the answer.
    """
    backbone = model.backbone
    layers = (*model.exit_layers, len(backbone.blocks))
    layer = layers[exit_index]
    with torch.no_grad():
        x = backbone.run_layers(backbone.embed(image), 0, layer - 1)
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        if exit_index == len(model.heads):
            logits = backbone.classify(x)
        else:
            tokens = backbone.exit_tokens(backbone.run_layers(x, layer - 1, layer), layer)
            logits = model.heads[exit_index](tokens)
        (gradient,) = torch.autograd.grad(logits.amax(dim=-1).sum(), x)
    before = max(layer - 1, 1)  # what enters layer 1 is laid out as what leaves it
    values, slopes = (
        backbone.exit_tokens(t, before)[:, backbone.recipe.class_tokens :]
        for t in (x.detach(), gradient)
    )
    cam = (values * slopes.mean(dim=1, keepdim=True)).sum(dim=-1).relu()
    return cam.unflatten(-1, sides(backbone.recipe.exit_shape(before)[1]))


def _attention(module: Attention, x: Tensor) -> Tensor:
    """Return the attention weights (B, T, T) of tokens x (B, T, D), averaged over the heads."""
    q, k, _ = (
        t.unflatten(-1, (module.heads, -1)).transpose(1, 2) for t in module.qkv(x).chunk(3, dim=-1)
    )
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (B, h, T, T)
    return scores.softmax(dim=-1).mean(dim=1)
