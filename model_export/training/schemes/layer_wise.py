"""Layer-wise training: one stretch of the backbone after the other, each with its exit."""

from __future__ import annotations

import torch
from torch import Tensor

from model_export.network.early_exit import EarlyExitViT
from model_export.training.schemes.base import Scheme, phase_of


class LayerWise(Scheme):
    """In E + 1 phases: phase j trains the layers from exit j - 1 to exit j, and the head there.

    What earlier phases trained is frozen, and what follows does not run. The first phase trains the
    embedding, too, the last the final classifier. The learning rate rises and falls in each phase.

    Reference: Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021,
    section 2 (the 'layer-wise' strategy).
    """

    def __init__(self, model: EarlyExitViT, params: object, label_smoothing: float = 0.0) -> None:
        """Make one phase for each exit and one for the final classifier."""
        super().__init__(model, params, label_smoothing)
        self.phases = len(model.exit_layers) + 1

    def forward(self, image: Tensor, target: Tensor, step: int, steps: int) -> Tensor:
        """Return the loss of this phase's exit."""
        backbone, layers = self.model.backbone, self.model.exit_layers
        phase = phase_of(step, steps, self.phases).number
        start = layers[phase - 1] if phase else 0
        end = layers[phase] if phase < len(layers) else len(backbone.blocks) - 1
        with torch.set_grad_enabled(phase == 0):
            (x,) = backbone.walk(image, [start])
        x = backbone.run_layers(x, start, end)
        if phase == len(layers):
            return self.hard_loss(backbone.classify(x), target)
        return self.hard_loss(self.model.heads[phase](backbone.exit_tokens(x, end)), target)
