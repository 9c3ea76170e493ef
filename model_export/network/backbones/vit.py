"""The Vision Transformer, plain, with registers, or with DeiT's distillation token.

References:
    Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021 (the architecture).
    Touvron et al., Going deeper with Image Transformers, ICCV 2021 (layer scale).
    Darcet et al., Vision Transformers Need Registers, ICLR 2024.

Shapes in comments: B images, N or T tokens (class token first), D width, h heads, d = D / h.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.network.backbones.base import Backbone
from model_export.network.classifier import AveragedClassifier
from model_export.recipe.recipe import BackboneRecipe


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        """Make the maps of `heads` heads that share `width` channels."""
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """Attend from the first `rows` tokens (all by default) to every token of `x` (B, N, D)."""
        batch, tokens, width = x.shape
        if rows is None:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:  # the queries of the other tokens would be thrown away
            weight, bias = self.qkv.weight, self.qkv.bias
            q = F.linear(x[:, :rows], weight[:width], bias[:width])
            k, v = F.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        x = F.scaled_dot_product_attention(q, k, v)  # (B, h, rows, d)
        return self.proj(x.transpose(1, 2).flatten(2))  # (B, rows, D)


class LayerScale(nn.Module):
    """A learned gain per channel on a residual branch."""

    def __init__(self, width: int, init: float = 1e-5) -> None:
        """Start with every gain at `init`, so that the layer starts as the identity."""
        super().__init__()
        self.gain = nn.Parameter(torch.full((width,), init))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the last dimension of `x` (..., D)."""
        return x * self.gain


class Mlp(nn.Module):
    """Two linear maps with a GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        """Map `width` channels to `hidden` and back."""
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) to (..., D), each token by itself."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One encoder layer: pre-norm attention and MLP, each on a residual branch."""

    def __init__(self, recipe: BackboneRecipe) -> None:
        """Make one layer of the recipe's backbone."""
        super().__init__()
        width = recipe.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, recipe.attention_heads)
        self.scale1 = LayerScale(width) if recipe.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, int(width * recipe.mlp_ratio))
        self.scale2 = LayerScale(width) if recipe.layer_scale else nn.Identity()

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """Map (B, N, D) to (B, rows or N, D); `rows` = 1 gives the class token alone."""
        residual = x if rows is None else x[:, :rows]
        x = residual + self.scale1(self.attn(self.norm1(x), rows))
        return x + self.scale2(self.mlp(self.norm2(x)))


class ViT(Backbone):
    """Patch embedding, L layers, final norm and a classifier of the class token.

    The tokens are the class token, the recipe's registers and the patches. A register is a token
    to think with: it has no position, and no head and no classifier reads it.
    """

    recipe: BackboneRecipe

    def __init__(self, recipe: BackboneRecipe, num_classes: int) -> None:
        """Make the recipe's backbone with random weights."""
        super().__init__(recipe)
        grid, width = recipe.grid, recipe.width
        self.patch_embed = nn.Conv2d(3, width, recipe.patch_size, recipe.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, recipe.class_tokens + grid * grid, width))
        self.blocks = nn.ModuleList(Block(recipe) for _ in range(recipe.layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.classifier: nn.Module = nn.Linear(width, num_classes)
        self.apply(_init_linear)
        for embedding in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(embedding, std=0.02)
        if recipe.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, recipe.registers, width))
            nn.init.trunc_normal_(self.register_tokens, std=0.02)

    def embed(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into tokens (B, 1 + registers + grid * grid, D)."""
        x = self.patch_embed(self.normalise(image))  # (B, D, grid, grid)
        x = x.flatten(2).transpose(1, 2)  # (B, grid * grid, D)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        if not self.recipe.registers:
            return x
        registers = self.register_tokens.expand(x.shape[0], -1, -1)
        return torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)

    def exit_tokens(self, x: Tensor, layer: int) -> Tensor:
        """Return the class token and the patches (B, 1 + grid * grid, D)."""
        if not self.recipe.registers:
            return x
        return torch.cat([x[:, :1], x[:, 1 + self.recipe.registers :]], dim=1)

    def classify(self, x: Tensor) -> Tensor:
        """Run the last layer on tokens (B, T, D) of layer L - 1; logits (B, C).

        The classifier reads the class token, so only its row of the last layer is computed: the
        same numbers for about 0.7 of a layer less.
        """
        x = self.blocks[-1](x, rows=1)
        return self.classifier(self.norm(x[:, 0]))


class DeiT(ViT):
    """A ViT with a second class token, the distillation token, and a classifier for each.

    The tokens are the class token, the distillation token and the patches. The logits are the mean
    of the two classifiers'.

    Reference: Touvron et al., Training data-efficient image transformers, ICML 2021.
    """

    def __init__(self, recipe: BackboneRecipe, num_classes: int) -> None:
        """Make the recipe's backbone with random weights."""
        super().__init__(recipe, num_classes)
        self.dist_token = nn.Parameter(torch.zeros(1, 1, recipe.width))
        nn.init.trunc_normal_(self.dist_token, std=0.02)
        self.classifier = AveragedClassifier(recipe.width, num_classes)

    def embed(self, image: Tensor) -> Tensor:
        """Turn uint8 RGB images (B, H, W, 3) into tokens (B, 2 + grid * grid, D)."""
        x = self.patch_embed(self.normalise(image)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token, self.dist_token], dim=1).expand(x.shape[0], -1, -1)
        return torch.cat([tokens, x], dim=1) + self.pos_embed

    def classify(self, x: Tensor) -> Tensor:
        """Run the last layer, two rows of it, on tokens (B, T, D) of layer L - 1; logits (B, C)."""
        return self.classifier(self.norm(self.blocks[-1](x, rows=2)))


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
