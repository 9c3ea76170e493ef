"""The stateless exit measures in torch, as the exported graph and its check compute them.

They are those of `eevit_ros.policies`, which explains them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from eevit_ros.policies.base import TINY
from eevit_ros.policies.confidence import NO_LOG_OF_ZERO
from model_export.errors import ModelExportError


def measure(policy: str, probabilities: Tensor) -> Tensor:
    """Return how sure an exit is of one image: float32 (1, C) to a scalar in [0, 1].

    Raises:
        ModelExportError: A graph cannot hold this policy.
    """
    if policy == 'softmax':
        return probabilities.max()
    if policy == 'entropy':
        entropy = -(probabilities * probabilities.clamp(min=NO_LOG_OF_ZERO).log()).sum()
        return (1 - entropy / math.log(probabilities.shape[-1])).clamp(TINY, 1.0)
    if policy == 'margin':
        first, second = torch.topk(probabilities, 2, dim=-1).values[0].unbind()
        return (first - second).clamp(TINY, 1.0)
    raise ModelExportError(f'a graph cannot hold the policy {policy!r}')
