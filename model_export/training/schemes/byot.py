"""BYOT: backbone and heads together, each head taught by the final classifier and its feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.network.early_exit import EarlyExitViT
from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Scheme, classifier_inputs, soft_loss


@dataclass(frozen=True)
class ByotParams:
    """Weights of the three losses, and the temperature; the defaults are our choice."""

    alpha: float = 0.3
    hint: float = 0.03
    temperature: float = 3.0

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        in_range(self, 'alpha', lambda value: 0 <= value <= 1, 'in [0, 1]')
        in_range(self, 'hint', lambda value: value >= 0, 'at least 0')
        in_range(self, 'temperature', lambda value: value > 0, 'positive')


class BeYourOwnTeacher(Scheme):
    """(1 - alpha) CE + alpha KL(final) + hint |feature - final feature|^2, summed over the exits.

    The final classifier learns from the labels alone. The squared distance is the mean over the F
    channels, not their sum. An exit whose feature is wider or narrower than the final one gets a
    linear map for the comparison (the paper's bottleneck), which is dropped after the training.

    Reference: Zhang et al., Be Your Own Teacher: Improve the Performance of Convolutional Neural
    Networks via Self Distillation, ICCV 2019.
    """

    params_type = ByotParams
    params: ByotParams

    def __init__(
        self, model: EarlyExitViT, params: ByotParams, label_smoothing: float = 0.0
    ) -> None:
        """Measure the features' widths."""
        super().__init__(model, params, label_smoothing)
        *widths, final = feature_widths(model)
        self.align = nn.ModuleList(
            nn.Identity() if width == final else nn.Linear(width, final) for width in widths
        )

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the sum over the exits."""
        alpha, hint = self.params.alpha, self.params.hint
        with classifier_inputs(self.model) as features:
            *students, final = self.model(image)
        loss = self.hard_loss(final, target)
        teacher = features[-1].detach().float()
        for student, feature, align in zip(students, features, self.align, strict=False):
            hard = self.hard_loss(student, target)
            soft = soft_loss(student, final, self.params.temperature)
            distance = F.mse_loss(align(feature).float(), teacher)
            loss = loss + (1 - alpha) * hard + alpha * soft + hint * distance
        return loss


@torch.no_grad()
def feature_widths(model: EarlyExitViT) -> list[int]:
    """Return F, the channels of the feature of each exit and, last, of the backbone."""
    size, training = model.recipe.backbone.image_size, model.training
    device = next(model.parameters()).device
    with classifier_inputs(model) as features:
        model.eval()(torch.zeros(1, size, size, 3, dtype=torch.uint8, device=device))
    model.train(training)
    return [feature.shape[-1] for feature in features]
