"""Models of other people with fresh weights: ours, started from them, gives the same logits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from benchmarks.parity.make_golden import ours
from benchmarks.parity.peers import (
    Peer,
    pixels_of,
    timm_deit,
    timm_registers,
    timm_vit,
    torchvision_vit,
    transformers_deit,
    transformers_dinov2,
    transformers_dinov2_registers,
    transformers_vit,
)
from benchmarks.parity.swin import timm_swin, torchvision_swin, transformers_swin

TOLERANCE = 1e-4


def compare(make: Callable[[int], Peer], seed: int) -> None:
    peer = make(seed)
    size = peer.recipe['backbone']['image_size']
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=generator)
    torch.testing.assert_close(
        ours(peer, image), peer.logits(pixels_of(image)), atol=TOLERANCE, rtol=0
    )


@pytest.mark.parametrize('seed', [11, 12])
@pytest.mark.parametrize(
    'make',
    [
        transformers_vit,
        transformers_deit,
        transformers_dinov2,
        transformers_dinov2_registers,
        transformers_swin,
    ],
)
def test_fresh_weights_of_transformers(make: Callable[[int], Peer], seed: int) -> None:
    compare(make, seed)


@pytest.mark.parametrize('seed', [11, 12])
@pytest.mark.parametrize('make', [timm_vit, timm_registers, timm_deit, timm_swin])
def test_fresh_weights_of_timm(make: Callable[[int], Peer], seed: int) -> None:
    compare(make, seed)


@pytest.mark.parametrize('make', [torchvision_vit, torchvision_swin])
def test_fresh_weights_of_torchvision(make: Callable[[int], Peer]) -> None:
    compare(make, 11)
