"""The seven exit heads of the multi-exit ViT: a norm, a branch, and three dense layers.

They differ in the branch, which turns the tokens into one feature vector. The authors' sizes are
not known to us in every detail, so these are our choices, all of them parameters: two dense layers
of `hidden` units (default: the width) with GELU and `dropout` 0.1 before the classifier; one 3x3
convolution to a quarter of the width and 2x2 max-pooling; an MLP of four times the width in the
ViT, mixer and ResMLP branches. Where a branch would normalise its input first, the head's norm
serves, except in the encoder layer, which is the backbone's own.

References:
    Bakhtiarnia et al., Multi-Exit Vision Transformer for Dynamic Inference, BMVC 2021.
    Ranftl et al., Vision Transformers for Dense Prediction, ICCV 2021 (ignore, add, project).
    Tolstikhin et al., MLP-Mixer, NeurIPS 2021.
    Touvron et al., ResMLP, TPAMI 2022.

Shapes in comments: B images, N = 1 + grid * grid tokens (class token first), D width, C classes.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.backbones.vit import Block, LayerScale, Mlp
from model_export.network.classifier import linear_classifier
from model_export.network.heads.base import ExitHead, Grid, sides, token_norm
from model_export.recipe.recipe import BackboneRecipe

RESMLP_GAIN = 0.1  # of a residual branch at the start; ResMLP's value for shallow networks


class MultiExitHead(ExitHead):
    """What the seven have in common; each has a `branch` of its own."""

    def __init__(
        self,
        width: int,
        grid: Grid,
        num_classes: int,
        features: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        """Put a norm before the branch, and dense layers behind its `features`."""
        super().__init__(width, grid, num_classes)
        hidden = width if hidden is None else hidden
        _check_positive(hidden=hidden)
        self.norm = token_norm(width)
        self.dense = nn.Sequential(
            nn.Linear(features, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
        )
        self.classifier = linear_classifier(hidden, num_classes)

    def branch(self, x: Tensor) -> Tensor:
        """Return features (B, F) of normalised tokens (B, N, D)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, C) of tokens (B, N, D)."""
        return self.classifier(self.dense(self.branch(self.norm(x))))


class MlpHead(MultiExitHead):
    """MLP-EE: the class token alone."""

    def __init__(self, width: int, grid: Grid, num_classes: int, **dense: Any) -> None:
        """Make the dense layers."""
        super().__init__(width, grid, num_classes, width, **dense)

    def branch(self, x: Tensor) -> Tensor:
        """Return the class token (B, D)."""
        return x[:, 0]


class ViTHead(MultiExitHead):
    """ViT-EE: one more encoder layer, of which the class token is read."""

    def __init__(
        self,
        width: int,
        grid: Grid,
        num_classes: int,
        *,
        attention_heads: int | None = None,
        mlp_ratio: float = 4.0,
        **dense: Any,
    ) -> None:
        """Make the layer, by default with one attention head for 64 channels, as ViTs have."""
        super().__init__(width, grid, num_classes, width, **dense)
        _mlp_units(width, mlp_ratio)
        heads = max(1, width // 64) if attention_heads is None else attention_heads
        self.block = Block(BackboneRecipe(width=width, attention_heads=heads, mlp_ratio=mlp_ratio))

    def branch(self, x: Tensor) -> Tensor:
        """Return the class token (B, D) after the layer; the others need not be computed."""
        return self.block(x, rows=1)[:, 0]


class CnnIgnoreHead(MultiExitHead):
    """CNN-Ignore-EE: patches on their grid, convolved and max-pooled; the class token unused."""

    def __init__(
        self,
        width: int,
        grid: Grid,
        num_classes: int,
        *,
        channels: int | None = None,
        kernel: int = 3,
        pool: int = 2,
        **dense: Any,
    ) -> None:
        """Convolve `kernel` x `kernel` patches to `channels`, then pool `pool` x `pool` into one.

        Raises:
            ModelExportError: The grid of patches is smaller than `pool` or `kernel`, or `kernel`
                is even.
        """
        channels = max(1, width // 4) if channels is None else channels
        _check_positive(channels=channels, kernel=kernel, pool=pool)
        rows, columns = sides(grid)
        least, has = min(rows, columns), f'as the image has {rows} x {columns} patches'
        if kernel % 2 == 0 or kernel > least:
            raise ModelExportError(f'kernel must be odd and at most {least}, {has}. Got {kernel}')
        if pool > least:
            raise ModelExportError(f'pool must be in 1 to {least}, {has}. Got {pool}')
        pooled = -(-rows // pool) * -(-columns // pool)  # each rounded up
        super().__init__(width, grid, num_classes, channels * pooled, **dense)
        self.sides = rows, columns
        self.conv = nn.Conv2d(width, channels, kernel, padding=kernel // 2)
        # The last window of a grid that `pool` does not divide looks at what is there.
        self.pool = nn.MaxPool2d(pool, ceil_mode=True)

    def read(self, x: Tensor) -> Tensor:
        """Return the patches (B, N - 1, D), combined with the class token; here without it."""
        return x[:, 1:]

    def branch(self, x: Tensor) -> Tensor:
        """Return the pooled channels (B, F) of normalised tokens (B, N, D)."""
        x = self.read(x).transpose(1, 2).unflatten(2, self.sides)  # (B, D, grid, grid)
        return self.pool(F.gelu(self.conv(x))).flatten(1)


class CnnAddHead(CnnIgnoreHead):
    """CNN-Add-EE: as CNN-Ignore-EE, with the class token added to every patch."""

    def read(self, x: Tensor) -> Tensor:
        """Return patches (B, N - 1, D), each plus the class token."""
        return x[:, 1:] + x[:, :1]


class CnnProjectHead(CnnIgnoreHead):
    """CNN-Project-EE: as CNN-Ignore-EE, with the class token concatenated to every patch.

    A linear map and a GELU bring the 2 D channels back to D.
    """

    def __init__(self, width: int, grid: Grid, num_classes: int, **params: Any) -> None:
        """Take the parameters of CNN-Ignore-EE."""
        super().__init__(width, grid, num_classes, **params)
        # The two halves of one (2 D, D) matrix: the class token's is applied once, not per patch.
        self.project_patch = nn.Linear(width, width)
        self.project_class = nn.Linear(width, width, bias=False)

    def read(self, x: Tensor) -> Tensor:
        """Return patches (B, N - 1, D), projected together with the class token."""
        return F.gelu(self.project_patch(x[:, 1:]) + self.project_class(x[:, :1]))


class MlpMixerHead(MultiExitHead):
    """MLP-Mixer-EE: an MLP across the tokens, one across the channels, and the mean.

    All tokens are mixed and averaged, the class token among them.
    """

    def __init__(
        self,
        width: int,
        grid: Grid,
        num_classes: int,
        *,
        token_hidden: int | None = None,
        mlp_ratio: float = 4.0,
        **dense: Any,
    ) -> None:
        """Mix tokens with `token_hidden` units (default: half the width, as MLP-Mixer has)."""
        super().__init__(width, grid, num_classes, width, **dense)
        token_hidden = max(1, width // 2) if token_hidden is None else token_hidden
        _check_positive(token_hidden=token_hidden)
        self.token_mlp = Mlp(1 + math.prod(sides(grid)), token_hidden)
        self.channel_norm = token_norm(width)
        self.channel_mlp = Mlp(width, _mlp_units(width, mlp_ratio))

    def branch(self, x: Tensor) -> Tensor:
        """Return the mean (B, D) of the mixed tokens (B, N, D)."""
        x = x + self.token_mlp(x.transpose(1, 2)).transpose(1, 2)
        return (x + self.channel_mlp(self.channel_norm(x))).mean(dim=1)


class ResMlpHead(MultiExitHead):
    """ResMLP-EE: a linear map across the tokens, an MLP across the channels, and the mean.

    No norm but an affine map between the two, and a learned gain on each residual branch. All
    tokens are mixed and averaged, the class token among them.
    """

    def __init__(
        self,
        width: int,
        grid: Grid,
        num_classes: int,
        *,
        mlp_ratio: float = 4.0,
        **dense: Any,
    ) -> None:
        """Make the block; the gains start at `RESMLP_GAIN`."""
        super().__init__(width, grid, num_classes, width, **dense)
        tokens = 1 + math.prod(sides(grid))
        self.token_linear = nn.Linear(tokens, tokens)
        self.token_gain = LayerScale(width, RESMLP_GAIN)
        self.affine_weight = nn.Parameter(torch.ones(width))
        self.affine_bias = nn.Parameter(torch.zeros(width))
        self.channel_mlp = Mlp(width, _mlp_units(width, mlp_ratio))
        self.channel_gain = LayerScale(width, RESMLP_GAIN)

    def branch(self, x: Tensor) -> Tensor:
        """Return the mean (B, D) of the mixed tokens (B, N, D)."""
        x = x + self.token_gain(self.token_linear(x.transpose(1, 2)).transpose(1, 2))
        affine = x * self.affine_weight + self.affine_bias
        return (x + self.channel_gain(self.channel_mlp(affine))).mean(dim=1)


def _mlp_units(width: int, mlp_ratio: float) -> int:
    units = int(width * mlp_ratio)
    if units < 1:
        raise ModelExportError(
            f'mlp_ratio must give the MLP a unit at least, of width {width}. Got {mlp_ratio!r}'
        )
    return units


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ModelExportError(f'{name} must be at least 1. Got {value!r}')
