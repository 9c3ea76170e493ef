"""The deployed form of a model: the same answers for less work.

Exact savings, up to rounding: the mean over the patches commutes with a neck's linear tail, so
tail and classifier become one matrix that is applied once instead of once a patch; the batch
norms beside it vanish in it; and each exit's calibration temperature is divided into its last
weights, so that the probabilities that leave the model are the calibrated ones.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.classifier import linears
from model_export.network.early_exit import EarlyExitViT
from model_export.network.heads import NeckHead
from model_export.network.heads.base import split_tokens

FOLD_TOLERANCE = 1e-4  # of the largest logit


class FoldedHead(nn.Module):
    """A head with its neck's tail folded into the classifier: (B, N, D) to (B, C)."""

    def __init__(self, head: NeckHead, weight: Tensor, bias: Tensor) -> None:
        """Take over `head`'s parts; `weight` (D, K) and `bias` (D,) are its neck's tail."""
        super().__init__()
        self.norm = head.norm
        self.neck = head.neck
        self.classifier = head.classifier
        self.class_tokens = head.class_tokens
        parts = linears(head.classifier)
        self.trunk_classifier = nn.Linear(weight.shape[1], parts[0].out_features, bias=False)
        self.trunk_classifier.weight.copy_(
            torch.stack([part.weight @ weight for part in parts]).mean(dim=0)
        )
        for part in parts:
            part.bias.add_(part.weight @ bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, equal to the unfolded head's up to rounding."""
        direct, patches = split_tokens(self.norm(x), self.class_tokens)
        if self.neck.residual:
            direct = direct + patches.mean(dim=1, keepdim=direct.ndim == 3)
        logits: Tensor = self.trunk_classifier(self.neck.trunk(patches).mean(dim=1))
        return logits + self.classifier(direct)


@torch.no_grad()
def fold(model: EarlyExitViT) -> EarlyExitViT:
    """Copy a trained model into its deployed form, in evaluation mode; it is not changed."""
    model = copy.deepcopy(model).eval()
    heads: list[nn.Module] = []
    for head in model.heads:
        if isinstance(head, NeckHead) and (tail := head.neck.tail()):
            head = FoldedHead(head, *tail)
        heads.append(head)
    model.heads = nn.ModuleList(heads)
    return model.requires_grad_(False)


@torch.no_grad()
def check_fold(model: EarlyExitViT, folded: EarlyExitViT, image: Tensor) -> None:
    """Compare the deployed form with the trained one.

    Args:
        model: The trained model, in evaluation mode.
        folded: Its deployed form, made by `fold`.
        image: uint8 (B, H, W, 3), any images.

    Raises:
        ModelExportError: An exit answers differently, because its neck's `trunk`, `tail` and
            `forward` do not fit together; or it ignores its temperature, because its `classifier`
            does not come last.
    """
    halved = copy.deepcopy(folded)
    divide_by_temperatures(halved, [2.0] * (len(folded.heads) + 1))
    expected, found, halves = model(image), folded(image), halved(image)
    scale = float(expected.abs().amax()) + 1.0
    for layer, before, after, half in zip(
        model.exit_layers, expected[:-1], found[:-1], halves[:-1], strict=True
    ):
        difference = float((before - after).abs().amax())
        if not difference <= FOLD_TOLERANCE * scale:
            raise ModelExportError(
                f'the head after layer {layer} answers differently when its tail is folded (logits '
                f'differ by {difference:.2g}): its tail() must be the last step of its forward(), '
                f'or return None'
            )
        difference = float((after - 2 * half).abs().amax())
        if not difference <= FOLD_TOLERANCE * scale:
            raise ModelExportError(
                f'the head after layer {layer} ignores its temperature (logits differ by '
                f'{difference:.2g}): its linear layer classifier must be the last step of its '
                f'forward()'
            )


@torch.no_grad()
def divide_by_temperatures(model: EarlyExitViT, temperatures: Sequence[float]) -> None:
    """Divide the logits of each exit and, last, of the final classifier, in place.

    Raises:
        ModelExportError: The number of temperatures is wrong or one is not positive.
    """
    if len(temperatures) != len(model.heads) + 1 or not all(t > 0 for t in temperatures):
        raise ModelExportError(
            f'expected {len(model.heads) + 1} positive temperatures. Got {list(temperatures)}'
        )
    for owner, temperature in zip((*model.heads, model.backbone), temperatures, strict=True):
        for name in ('classifier', 'trunk_classifier'):
            for linear in linears(getattr(owner, name, nn.Identity())):
                linear.weight.div_(temperature)
                if linear.bias is not None:
                    linear.bias.div_(temperature)
