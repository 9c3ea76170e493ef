"""Multiply-accumulate operations of a model, counted by torch while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model_export.network.early_exit import EarlyExitViT


@dataclass(frozen=True)
class Macs:
    """MACs of one image; norms, activations and softmax are not counted, as is usual.

    Attributes:
        leaving: E + 1 counts of all that ran for an image that left there: the layers, the head
            that answered and the heads that did not.
        heads: E counts of each exit head alone.
        backbone: The plain ViT with its final classifier and no exit head, C_L.
    """

    leaving: tuple[int, ...]
    heads: tuple[int, ...]
    backbone: int


@torch.no_grad()
def count_macs(model: EarlyExitViT) -> Macs:
    """Count by running one image through `model`, usually the deployed form (`fold.py`)."""
    size = model.recipe.backbone.image_size
    image = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    leaving = []
    for index in range(len(model.heads) + 1):
        thresholds = torch.ones(len(model.heads))
        thresholds[index:] = 0  # force this exit: 1 never leaves, 0 always does
        leaving.append(count_run(model.forward_eager, image, thresholds))
    *tokens, _ = model.walk(image)
    heads = [count_run(head, x) for head, x in zip(model.heads, tokens, strict=True)]
    return Macs(tuple(leaving), tuple(heads), count_run(model.backbone, image))


def macs_alone(leaving: Sequence[int], heads: Sequence[int]) -> list[int]:
    """Return E + 1 MACs of an image sent to that exit, where no other head runs."""
    return [all_that_ran - sum(heads[:index]) for index, all_that_ran in enumerate(leaving)]


def count_run(run: Callable[..., object], *inputs: torch.Tensor) -> int:
    """Return the MACs of one call; tensors on the `meta` device will do."""
    # The plain attention, because torch does not count the fused one of CPUs.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run(*inputs)
    return int(counter.get_total_flops()) // 2
