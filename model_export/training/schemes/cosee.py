"""COSEE: each exit learns most from the images that would leave there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from model_export.recipe.checked import in_range
from model_export.training.schemes.base import Scheme


@dataclass(frozen=True)
class CoseeParams:
    """The defaults are those of the published training script.

    Attributes:
        beta: How fast weights fall with the distance from an image's exit at the end of the stage.
        thresholds: Exit thresholds drawn in each step.
        alpha: Weight of the calibration of the exit signal.
        margin: Distance by which right answers' signal should lie below that of wrong ones.
    """

    beta: float = 10.0
    thresholds: int = 5
    alpha: float = 0.1
    margin: float = 0.3

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ('beta', 'alpha', 'margin'):
            in_range(self, name, lambda value: value >= 0, 'at least 0')
        in_range(self, 'thresholds', lambda value: value > 0, 'positive')


class Cosee(Scheme):
    """Cross entropy, weighted image by image, plus alpha times the calibration of the exit signal.

    The signal is the normalised energy 1 / (1 + sum exp(logits)): low means sure, and an image
    leaves at the first exit whose signal is below the threshold. For each of some random thresholds
    exit i of an image that leaves at exit k has the weight softmax_i(-beta t |i - k|); t rises from
    0 to 1 over the stage. The calibration asks of every early exit that the mean signal of right
    answers lies `margin` below that of wrong ones.

    The authors draw thresholds from the range of signals in the epoch before; here it is that of
    the batch, so that a run can go on from any step. With mixed labels the larger share counts as
    right.

    Reference: He et al., COSEE: Consistency-Oriented Signal-Based Early Exiting via Calibrated
    Sample Weighting Mechanism, AAAI 2025 (and its code, github: He-Jianing/COSEE).
    """

    params_type = CoseeParams
    params: CoseeParams

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the mean over images and thresholds."""
        logits = self.model(image).float()  # (E + 1, B, C)
        signal = torch.sigmoid(-logits[:-1].logsumexp(-1))  # (E, B)
        hard = torch.stack([self._losses(answer, target) for answer in logits])  # (E + 1, B)
        weights = self._weights(signal.detach(), self.params.beta * step / steps)
        label = target if target.ndim == 1 else target.argmax(-1)
        right = logits[:-1].argmax(-1) == label
        return (weights * hard).sum(dim=0).mean() + self.params.alpha * self._gap(signal, right)

    def _losses(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            logits, target, label_smoothing=self.label_smoothing, reduction='none'
        )

    def _weights(self, signal: Tensor, beta: float) -> Tensor:
        """Return the weight of every exit for every image (E + 1, B), averaged over thresholds."""
        low, high = signal.min(), signal.max()
        thresholds = low + (high - low) * torch.rand(
            self.params.thresholds, 1, 1, device=signal.device
        )
        leaves = F.pad(signal < thresholds, (0, 0, 0, 1), value=True)  # the final exit takes all
        taken = leaves.int().argmax(dim=1)  # (thresholds, B), the first
        exits = torch.arange(leaves.shape[1], device=signal.device)
        distance = (exits[:, None] - taken[:, None]).abs()  # (thresholds, E + 1, B)
        return (-beta * distance).softmax(dim=1).mean(dim=0)

    def _gap(self, signal: Tensor, right: Tensor) -> Tensor:
        """Return the mean over the exits that are both right and wrong in the batch."""
        gaps = [
            F.relu(one[ok].mean() - one[~ok].mean() + self.params.margin)
            for one, ok in zip(signal, right, strict=True)
            if ok.any() and not ok.all()
        ]
        return torch.stack(gaps).mean() if gaps else signal.new_zeros(())
