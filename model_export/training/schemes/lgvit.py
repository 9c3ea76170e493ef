"""LGViT's second stage: heads on a frozen backbone learn logits and features from each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Features, HeadScheme, classifier_of, soft_loss


@dataclass(frozen=True)
class LGViTParams:
    """Weights of the four losses; the defaults are those of the published training script."""

    distill_weight: float = 0.3
    distill_temperature: float = 2.0
    heterogeneous: float = 0.01
    homogeneous: float = 0.01

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        in_range(self, 'distill_weight', lambda value: 0 <= value <= 1, 'in [0, 1]')
        in_range(self, 'distill_temperature', lambda value: value > 0, 'positive')
        for name in ('heterogeneous', 'homogeneous'):
            in_range(self, name, lambda value: value >= 0, 'at least 0')


class LGViT(HeadScheme):
    """Self-distillation of the heads, in four parts that are summed over the exits.

    Answers: (1 - w) CE + w KL(final classifier). Heterogeneous: the features of the first and the
    last exit of each kind of head learn from the patches after the last layer and the final norm,
    by the divergence of their softmax over the channels. Homogeneous: the features of each exit
    learn from the last exit of the same kind, by the mean squared distance; those of all kinds but
    `lph` are compared by their channel products X^T X, because windows differ. The feature of a
    head with a neck is what the neck returns, of any other what enters its classifier. Exits of
    another width than the last layer (Swin) get no heterogeneous part, and are a kind of their own.

    The published code (github: falcon-xu/LGViT) differs in four things: it divides the divergence
    of the answers by the number of classes, takes the last layer's patches without the final norm
    (on a DINOv2 they reach 400), thins them out where they are averaged here, and pulls teachers
    among the exits towards their students.

    Reference: Xu et al., LGViT: Dynamic Early Exiting for Accelerating Vision Transformer, ACM MM
    2023, section 3.4.
    """

    params_type = LGViTParams
    params: LGViTParams
    needs_last = True

    def __init__(
        self, model: EarlyExitViT, params: LGViTParams, label_smoothing: float = 0.0
    ) -> None:
        """Group the exits by kind."""
        super().__init__(model, params, label_smoothing)
        backbone = model.recipe.backbone
        self.class_tokens = backbone.class_tokens
        if not isinstance(backbone.exit_shape(backbone.layers)[1], int):
            raise ModelExportError('scheme lgvit compares patches of square grids: take another')
        self.kinds: dict[tuple[str, int], list[int]] = {}
        for index, exit in enumerate(model.recipe.exits):
            width, _ = backbone.exit_shape(exit.layer)
            self.kinds.setdefault((exit.head, width), []).append(index)

    def loss(self, features: Features, target: Tensor) -> Tensor:
        """Return the sum of the four parts."""
        params = self.params
        with _neck_outputs(self.model.heads) as outputs:
            students = self.head_logits(features)
        assert features.logits is not None and features.last is not None
        loss = features.logits.new_zeros(())
        for student in students:
            loss = loss + (1 - params.distill_weight) * self.hard_loss(student, target)
            soft = soft_loss(student, features.logits, params.distill_temperature)
            loss = loss + params.distill_weight * soft
        teacher = features.last[:, self.class_tokens :].float()  # (B, N, D)
        with torch.autocast(teacher.device.type, enabled=False):  # sums of many squares
            for (kind, _), members in self.kinds.items():
                group = [_tokens(outputs[index]).float() for index in members]
                for feature in group[:1] + group[1:][-1:]:
                    if feature.shape[-1] == teacher.shape[-1]:
                        loss = loss + params.heterogeneous * _heterogeneous(feature, teacher)
                for feature in group[:-1]:
                    direct = kind == 'lph'
                    loss = loss + params.homogeneous * _homogeneous(feature, group[-1], direct)
        return loss


def _heterogeneous(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the divergence of student features (B, M, D) from patches (B, N, D), averaged to M."""
    grid, small = round(teacher.shape[1] ** 0.5), round(student.shape[1] ** 0.5)
    if small < grid:
        square = teacher.transpose(1, 2).unflatten(2, (grid, grid))
        teacher = F.adaptive_avg_pool2d(square, small).flatten(2).transpose(1, 2)
    ours, theirs = student.log_softmax(-1), teacher.log_softmax(-1)
    return F.kl_div(ours, theirs, reduction='batchmean', log_target=True)


def _homogeneous(student: Tensor, teacher: Tensor, direct: bool) -> Tensor:
    """Return the mean squared distance of features (B, M, D), or of their products (B, D, D)."""
    teacher = teacher.detach()
    if direct:
        return F.mse_loss(student, teacher)
    return F.mse_loss(student.mT @ student, teacher.mT @ teacher)


def _tokens(feature: Tensor) -> Tensor:
    """Return a feature as tokens (B, M, D), M a square number; a vector (B, F) is one token."""
    if feature.ndim == 2:
        return feature[:, None]
    square = round(feature.shape[1] ** 0.5) ** 2 == feature.shape[1]
    return feature if square else feature.mean(dim=1, keepdim=True)


@contextmanager
def _neck_outputs(heads: nn.ModuleList) -> Iterator[list[Tensor]]:
    """Collect the output of each head's neck, or the input of its classifier if it has no neck."""
    found: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | None = None) -> None:
        found.append(inputs[0] if output is None else output)

    hooks = []
    for head in heads:
        neck = getattr(head, 'neck', None)
        if isinstance(neck, nn.Module):
            hooks.append(neck.register_forward_hook(keep))
        else:
            hooks.append(classifier_of(head).register_forward_pre_hook(keep))
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
