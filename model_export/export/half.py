"""A model that computes in half precision, for GPUs: norms and the last softmax stay in float32."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from model_export.network.early_exit import EarlyExitViT


@torch.no_grad()
def to_half(model: EarlyExitViT) -> EarlyExitViT:
    """Copy a deployed model with float16 weights; it takes uint8 images and gives float16 logits.

    The squares in a layer norm are what overflows in a transformer. What pixels are normalised with
    stays in float32 as well, and `ExportForm` takes the softmax of float32 logits.
    """
    half = copy.deepcopy(model).half()
    for name, buffer in model.backbone.named_buffers(recurse=False):
        setattr(half.backbone, name, buffer.clone())
    half.backbone.get_submodule('patch_embed').register_forward_pre_hook(_take_half)
    for module in half.modules():
        if isinstance(module, nn.LayerNorm):
            module.float().register_forward_pre_hook(_take_float)
            module.register_forward_hook(_give_half)
    return half


def _take_half(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.half() for x in inputs)


def _take_float(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.float() for x in inputs)


def _give_half(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output.half()
