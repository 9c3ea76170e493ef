"""Swin: attention inside windows, in stages of falling resolution and growing width.

Attention sees one window of patches; every second layer shifts the windows by half, so that
neighbours meet. Between stages four patches become one of twice the width. There is no class
token: the mean of the patches stands for the image.

Reference: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV
2021 (the first version).

Shapes in comments: B images, g patches along one side, D width, w patches along a window, W windows
of n = w * w patches, h heads, d = D / h.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.network.backbones.base import Backbone
from model_export.network.backbones.vit import Mlp
from model_export.recipe.recipe import BackboneRecipe

EPS = 1e-5
MASKED = -100.0  # added before the softmax to pairs of patches that a shift brought together


class WindowAttention(nn.Module):
    """Self-attention inside each window of a grid, shifted or not.

    A window larger than the grid shrinks to it, and a grid of one window is not shifted. A grid
    that the window does not divide is padded with zeros, which take part, and then shifted, as in
    Hugging Face's (timm pads after the shift, and differs there).
    """

    bias_index: Tensor
    mask: Tensor | None

    def __init__(self, width: int, heads: int, grid: int, window: int, shifted: bool) -> None:
        """Make the maps for a grid of `grid` x `grid` patches."""
        super().__init__()
        self.heads, self.grid = heads, grid
        self.window = window = min(window, grid)
        self.shift = window // 2 if shifted and window < grid else 0
        self.padding = -grid % window
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer('bias_index', _bias_index(window), False)
        mask = _shift_mask(grid + self.padding, window, self.shift) if self.shift else None
        self.register_buffer('mask', mask, False)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (B, g * g, D) to as many."""
        x = x.unflatten(1, (self.grid, self.grid))
        if self.padding:
            x = F.pad(x, (0, 0, 0, self.padding, 0, self.padding))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = self._attend(_to_windows(x, self.window))  # (B, W, n, D)
        x = _from_windows(x, self.grid + self.padding)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, : self.grid, : self.grid].flatten(1, 2)

    def _attend(self, x: Tensor) -> Tensor:
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(2, 3) for t in self.qkv(x).chunk(3, -1)
        )  # (B, W, h, n, d)
        bias = self.bias_table[self.bias_index].permute(2, 0, 1)  # (h, n, n)
        if self.mask is not None:
            bias = bias + self.mask  # (W, h, n, n)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias
        return self.proj((scores.softmax(-1) @ v).transpose(2, 3).flatten(3))


class PatchMerging(nn.Module):
    """Two by two patches become one of twice the width; an odd grid is padded with zeros."""

    def __init__(self, width: int, grid: int) -> None:
        """Merge a grid of `grid` x `grid` patches of `width` channels."""
        super().__init__()
        self.grid = grid
        self.norm = nn.LayerNorm(4 * width, eps=EPS)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (B, g * g, D) to (B, ceil(g / 2) ** 2, 2 D)."""
        x = x.unflatten(1, (self.grid, self.grid))
        if self.grid % 2:
            x = F.pad(x, (0, 0, 0, 1, 0, 1))
        x = x.unflatten(2, (-1, 2)).unflatten(1, (-1, 2))  # (B, g / 2, row, g / 2, column, D)
        x = x.permute(0, 1, 3, 4, 2, 5).flatten(3).flatten(1, 2)  # column by column, as published
        return self.reduction(self.norm(x))


class SwinBlock(nn.Module):
    """One encoder layer: window attention and MLP, each on a residual branch, both pre-norm.

    The first layer of every stage but the first merges patches before that.
    """

    def __init__(self, recipe: BackboneRecipe, layer: int) -> None:
        """Make layer `layer`, counted from 1, of the recipe's backbone."""
        super().__init__()
        width, grid = recipe.exit_shape(layer)
        stage_start = layer - 1
        for depth in recipe.depths:
            if stage_start < depth:
                break
            stage_start -= depth
        self.merge: nn.Module = nn.Identity()
        if layer > 1 and stage_start == 0:
            self.merge = PatchMerging(*recipe.exit_shape(layer - 1))
        heads = recipe.attention_heads * width // recipe.width
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = WindowAttention(width, heads, grid, recipe.window, stage_start % 2 == 1)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, int(width * recipe.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (B, g * g, D) of the layer before to this layer's, in its stage's shape."""
        x = self.merge(x)
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Swin(Backbone):
    """Patch embedding with a norm, L layers in stages, final norm, mean and classifier."""

    recipe: BackboneRecipe

    def __init__(self, recipe: BackboneRecipe, num_classes: int) -> None:
        """Make the recipe's backbone with random weights."""
        super().__init__(recipe)
        width, _ = recipe.exit_shape(recipe.layers)
        self.patch_embed = nn.Conv2d(3, recipe.width, recipe.patch_size, recipe.patch_size)
        self.embed_norm = nn.LayerNorm(recipe.width, eps=EPS)
        self.blocks = nn.ModuleList(SwinBlock(recipe, i + 1) for i in range(recipe.layers))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.classifier: nn.Module = nn.Linear(width, num_classes)
        self.apply(_init_weights)

    def embed(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into patches (B, grid * grid, D)."""
        x = self.patch_embed(self.normalise(image))  # (B, D, grid, grid)
        return self.embed_norm(x.flatten(2).transpose(1, 2))

    def exit_tokens(self, x: Tensor, layer: int) -> Tensor:
        """Return the mean of the patches and the patches (B, 1 + g * g, D) of the layer's stage."""
        return torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)

    def classify(self, x: Tensor) -> Tensor:
        """Run the last layer on patches (B, g * g, D) of layer L - 1; logits (B, C)."""
        return self.classifier(self.norm(self.blocks[-1](x)).mean(dim=1))


def _to_windows(x: Tensor, window: int) -> Tensor:
    """Cut a grid (B, g, g, D), g a multiple of `window`, into windows (B, W, n, D)."""
    x = x.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # (B, g / w, w, g / w, w, D)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _from_windows(x: Tensor, grid: int) -> Tensor:
    """Put windows (B, W, n, D) together again: (B, grid, grid, D)."""
    window = round(x.shape[2] ** 0.5)
    across = grid // window
    x = x.unflatten(2, (window, window)).unflatten(1, (across, across))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _bias_index(window: int) -> Tensor:
    """Return the row of the bias for each pair of a window's patches: int64 (n, n).

    A row stands for one offset, from 1 - w to w - 1 along each axis.
    """
    at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing='ij'))
    at = at.flatten(1)  # (2, n)
    offset = at[:, :, None] - at[:, None, :] + window - 1
    return offset[0] * (2 * window - 1) + offset[1]


def _shift_mask(grid: int, window: int, shift: int) -> Tensor:
    """Return what is added to the scores of a shifted grid, float32 (W, 1, n, n).

    The shift rolls the first rows and columns behind the last. Patches that are no neighbours do
    not see each other, though they are in one window.
    """
    band = torch.zeros(grid)  # which of three parts of the axis a patch comes from
    band[-window:] = 1
    band[-shift:] = 2
    part = (3 * band[:, None] + band[None, :])[None, :, :, None]  # (1, g, g, 1)
    part = _to_windows(part, window).squeeze(0)  # (W, n, 1)
    return MASKED * (part != part.transpose(1, 2)).float()[:, None]


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, WindowAttention):
        nn.init.trunc_normal_(module.bias_table, std=0.02)
