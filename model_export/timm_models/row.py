"""A model of timm, taken apart: what comes before its layers, the layers, what follows, classifier.

Two kinds of body can be walked. In a row of tokens (ViT and all that derive from it, EVA, DINOv3,
hybrids with convolutions before a ViT) each block is a layer. In a body of stages (Swin, CoAtNet,
FastViT, MLP-Mixer and others) each block of a stage is a layer where a stage is nothing but its
blocks, else each stage.

Shapes in comments: B images, T tokens, D width, g patches along one side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError

STEMS, STAGES = ('stem', 'patch_embed'), ('stages', 'layers', 'blocks')


class Layer(nn.Module):
    """One layer: tokens in, tokens out.

    Attributes:
        before: Patch merging, where a stage begins.
        block: The block of timm.
    """

    def __init__(self, block: nn.Module, before: nn.Module | None = None) -> None:
        """Put `before`, if there is one, in front of a block."""
        super().__init__()
        self.before = before or nn.Identity()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        return self.block(self.before(x))


class RotaryLayer(nn.Module):
    """A block that turns queries and keys by where a patch lies."""

    def __init__(self, block: nn.Module, rope: Any, shape: Any, index: int | None) -> None:
        """Take the block's positions from `rope`, which all layers share.

        Args:
            block: The block of timm.
            rope: What makes the positions; a part of the model, so not of this layer.
            shape: Its argument, where it needs one.
            index: Which of its positions are this layer's, if each has its own.
        """
        super().__init__()
        self.block = block
        self.index = index
        self.shape = shape
        self._rope = (rope,)  # in a tuple, or it would become a part of the layer

    def forward(self, x: Tensor) -> Tensor:
        """Run it."""
        (rope,) = self._rope
        positions = rope.get_embed(**self.shape)
        return self.block(x, rope=positions if self.index is None else positions[self.index])


class Row:
    """A model taken apart. All parts are those of the model, which they are taken out of.

    Attributes:
        model: What is left of it: the embedding, and what lies between layers and classifier.
        blocks: The layers.
        classifier: The last linear map.
    """

    def __init__(self, model: Any, classifier: nn.Linear) -> None:
        """Take the layers out of `model`, which has lost its `classifier` already."""
        self.model = model
        self.classifier = classifier
        self.blocks = nn.ModuleList()

    def embed(self, pixels: Tensor) -> Tensor:
        """Turn normalised pixels (B, 3, H, W) into what the first layer takes."""
        raise NotImplementedError

    def finish(self, x: Tensor) -> Tensor:
        """Do what follows the last layer, before anything is pooled: as a rule a norm."""
        raise NotImplementedError

    def tokens(self, x: Tensor) -> Tensor:
        """Return what stands for the whole image, then the patches row by row (B, 1 + g * g, D)."""
        raise NotImplementedError

    def sides(self, x: Tensor) -> tuple[int, int]:
        """Return in how many rows and columns the patches in `x` lie.

        Raises:
            ModelExportError: In none.
        """
        count = self.tokens(x).shape[1] - 1
        known = getattr(getattr(self.model, 'patch_embed', None), 'grid_size', None)
        rows, columns = known or (math.isqrt(count),) * 2
        if rows * columns != count:
            raise ModelExportError(f'its {count} patches lie in no rows and columns')
        return rows, columns

    def features(self, x: Tensor) -> Tensor:
        """Return what the classifier takes (B, F) of what the last layer gives."""
        return self.model.forward_head(self.finish(x))


class TokenRow(Row):
    """Tokens of one width from the first layer to the last."""

    def __init__(self, model: Any, classifier: nn.Linear) -> None:
        """Take the blocks; of rotary positions each gets its own, or all the same."""
        super().__init__(model, classifier)
        blocks, model.blocks = model.blocks, nn.Sequential()
        rope = getattr(model, 'rope', None)
        if rope is None:
            self.blocks.extend(Layer(block) for block in blocks)
            return
        # A part of the model still, but its embedding computes no positions.
        model.rope, model.taken_rope = None, rope
        grid = model.patch_embed.grid_size
        on_device = not next(model.parameters()).is_meta
        # What is on no device keeps no positions, and some kinds never do.
        shape = {} if on_device and hasattr(rope, 'feat_shape') else {'shape': grid}
        own = getattr(model, 'rope_mixed', False)
        self.blocks.extend(
            RotaryLayer(block, rope, shape, index if own else None)
            for index, block in enumerate(blocks)
        )

    def embed(self, pixels: Tensor) -> Tensor:
        """Return class token and registers, as far as there are any, and patches (B, T, D)."""
        x = self.model._pos_embed(self.model.patch_embed(pixels))
        return self.model.norm_pre(x[0] if isinstance(x, tuple) else x)

    def finish(self, x: Tensor) -> Tensor:
        """Normalise the tokens."""
        return self.model.norm(x)

    def tokens(self, x: Tensor) -> Tensor:
        """Leave registers out; without a class token, the patches' mean takes its place."""
        prefix = self.model.num_prefix_tokens
        patches = x[:, prefix:]
        if self.model.cls_token is None:
            return torch.cat([patches.mean(dim=1, keepdim=True), patches], dim=1)
        return x if prefix == 1 else torch.cat([x[:, :1], patches], dim=1)


class StageRow(Row):
    """Maps that get smaller and wider from stage to stage, of channels first or last."""

    def __init__(self, model: Any, classifier: nn.Linear, *, whole: bool) -> None:
        """Take the blocks of each stage, or each stage `whole`."""
        super().__init__(model, classifier)
        stem = next(name for name in STEMS if hasattr(model, name))
        stages = next(name for name in STAGES if hasattr(model, name))
        for stage in getattr(model, stages):
            self.blocks.extend([Layer(stage)] if whole else _layers_of(stage))
        self.stem = getattr(model, stem)
        model.taken_stem = self.stem  # a part of the model still, which it does not run
        setattr(model, stem, nn.Identity())
        setattr(model, stages, nn.Sequential())
        self._channels_last = getattr(model, 'output_fmt', '') == 'NHWC'

    def sides(self, x: Tensor) -> tuple[int, int]:
        """Return rows and columns of a map."""
        if x.ndim != 4:
            return super().sides(x)
        rows, columns = x.shape[1:3] if self._channels_last else x.shape[2:]
        return rows, columns

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the first map."""
        return self.stem(pixels)

    def finish(self, x: Tensor) -> Tensor:
        """Run what is left of the body."""
        return self.model.forward_features(x)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the mean of a map (B, g, g, D), (B, D, g, g) or (B, g * g, D), and the map."""
        if x.ndim == 4:
            x = x.flatten(1, 2) if self._channels_last else x.flatten(2).transpose(1, 2)
        return torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)


def _layers_of(stage: nn.Module) -> list[nn.Module]:
    """Return the blocks of a stage that is nothing but them and a merging before, or the stage."""
    parts = dict(stage.named_children())
    blocks = parts.pop('blocks', None)
    before = parts.pop('downsample', None)
    if parts or not isinstance(blocks, (nn.Sequential, nn.ModuleList)) or not len(blocks):
        return [Layer(stage)]
    first, *others = blocks
    return [Layer(first, before), *(Layer(block) for block in others)]
