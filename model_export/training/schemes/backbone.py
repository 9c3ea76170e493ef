"""Train the backbone with its final classifier, as if there were no exits."""

from __future__ import annotations

from torch import Tensor

from model_export.training.schemes.base import Scheme


class BackboneOnly(Scheme):
    """Cross entropy of the final classifier; the heads do not change.

    LGViT (Xu et al., ACM MM 2023) and every other scheme on a frozen backbone begins with it.
    """

    trains = ('backbone',)

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the loss of the final classifier."""
        return self.hard_loss(self.model.backbone(image), target)
