"""EnViT: sub-models without some layers learn from the full model, all together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Scheme, soft_loss


@dataclass(frozen=True)
class EnViTParams:
    """The two halves of the method; each can be switched off, as in the paper's ablation.

    Attributes:
        max_drop: p_M, probability that a layer before the final classifier is dropped; 0 means
            self-distillation only. The default is our choice.
        alpha: Share of the soft loss; 0 means structured dropout only.
        temperature: Temperature of the soft loss.
    """

    max_drop: float = 0.2
    alpha: float = 0.5
    temperature: float = 4.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        in_range(self, 'max_drop', lambda value: 0 <= value < 1, 'in [0, 1)')
        in_range(self, 'alpha', lambda value: 0 <= value <= 1, 'in [0, 1]')
        in_range(self, 'temperature', lambda value: value > 0, 'positive')


class EnViT(Scheme):
    """Every exit: ((1 - alpha) CE + alpha KL(full model)) / (1 - p).

    The M exits (the final classifier is the last) cut the layers into M stretches. A layer of
    stretch j is dropped with p_j = (j - 1) / (M - 1) p_M, for each image by itself: the tokens of
    that image pass by it unchanged. What is left are the sub-models that learn; the full model,
    without gradient, teaches. The loss of exit j is divided by 1 - p_j, since its layers learn so
    much less often. Where nothing is dropped the full model's answer is at hand, and it does not
    run twice.

    Reference: Dong et al., EnViT: Enhancing the Performance of Early-Exit Vision Transformers via
    Exit-Aware Structured Dropout-Enabled Self-Distillation, AAAI 2026.
    """

    params_type = EnViTParams
    params: EnViTParams

    def __init__(
        self, model: EarlyExitViT, params: EnViTParams, label_smoothing: float = 0.0
    ) -> None:
        """Refuse a backbone whose layers cannot be skipped."""
        super().__init__(model, params, label_smoothing)
        backbone = model.recipe.backbone
        shapes = {backbone.exit_shape(layer) for layer in range(1, backbone.layers + 1)}
        if params.max_drop and len(shapes) > 1:
            raise ModelExportError(
                f'scheme envit drops layers, and those of kind {backbone.kind!r} change the shape '
                f'of the tokens: take another scheme, or max_drop: 0'
            )
        self.drops = drop_rates(len(model.exit_layers) + 1, params.max_drop)

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the mean over the exits."""
        model, alpha = self.model, self.params.alpha
        with dropped_layers(model, self.drops):
            students = model(image)
        if not alpha:
            teacher = None
        elif self.params.max_drop:
            with torch.no_grad():
                teacher = model.backbone(image)
        else:
            teacher = students[-1]
        losses = []
        for student, drop in zip(students, self.drops, strict=True):
            loss = (1 - alpha) * self.hard_loss(student, target)
            if teacher is not None:
                loss = loss + alpha * soft_loss(student, teacher, self.params.temperature)
            losses.append(loss / (1 - drop))
        return torch.stack(losses).mean()


def drop_rates(exits: int, max_drop: float) -> list[float]:
    """Return p_j of each of M exits: 0 of the first to `max_drop` of the final classifier."""
    return [j / (exits - 1) * max_drop for j in range(exits)]


@contextmanager
def dropped_layers(model: EarlyExitViT, drops: list[float]) -> Iterator[None]:
    """Leave each layer out for some images while the context is open, at its stretch's rate."""
    with ExitStack() as stack:
        stretch = 0
        for layer, block in enumerate(model.backbone.blocks, start=1):
            if drops[stretch]:
                hook = block.register_forward_hook(_leave_out(drops[stretch]))
                stack.callback(hook.remove)
            if layer in model.exit_layers:
                stretch += 1
        yield


def _leave_out(drop: float) -> Any:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        before = inputs[0][:, : output.shape[1]]  # the last layer gives the class tokens alone
        keep = torch.rand(len(output), 1, 1, device=output.device) >= drop
        return torch.where(keep, output, before)

    return hook
