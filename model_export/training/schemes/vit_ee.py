"""ViT-EE: the heads of Multi-Exit ViT by the labels alone, on a frozen backbone."""

from __future__ import annotations

import torch
from torch import Tensor

from model_export.training.schemes.base import Features, HeadScheme


class ViTEE(HeadScheme):
    """Cross entropy of each head on a backbone that stays as it was trained.

    The authors' 'classifier-wise' training, which they prefer because the full model loses nothing.
    Theirs are the heads `vit_ee` and the other `_ee` ones; any head will do.

    References:
        Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021.
        Bakhtiarnia et al., Single-layer vision transformers for more accurate early exits with less
        overhead, Neural Networks 2022.
    """

    needs_logits = False

    def loss(self, features: Features, target: Tensor) -> Tensor:
        """Return the mean over the heads."""
        return torch.stack([self.hard_loss(x, target) for x in self.head_logits(features)]).mean()
