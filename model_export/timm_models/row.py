"""A model of timm, taken apart: what comes before its layers, the layers, what follows, classifier.

Two kinds of body can be walked. In a row of tokens (ViT and all that derive from it, EVA, DINOv3,
hybrids with convolutions before a ViT) each block is a layer. In a body of stages (Swin, CoAtNet,
FastViT, MLP-Mixer and others) each block of a stage is a layer where a stage is nothing but its
blocks, else each stage.

Whether the parts, one after the other, give what the model itself gives is not believed but tried.

Shapes in comments: B images, T tokens, D width, g patches along one side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from model_export.errors import ModelExportError

_STEMS, _STAGES = ('stem', 'patch_embed'), ('stages', 'layers', 'blocks')
_CANNOT = 'cannot carry exits'
_TOLERANCE = 1e-4  # of the largest feature
_CLOSED = 0.5  # a gain below it
_REFUSALS = (
    *(RuntimeError, TypeError, ValueError, AssertionError, AttributeError, IndexError),
    ModelExportError,
)


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
        stem = next(name for name in _STEMS if hasattr(model, name))
        stages = next(name for name in _STAGES if hasattr(model, name))
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


def row_of(make: Callable[[], Any], name: str, image_size: int) -> Row:
    """Take a model of timm apart.

    Args:
        make: Makes the model, the same each time but for random weights.
        name: Its name, for errors.
        image_size: Height and width of its images.

    Raises:
        ModelExportError: It has no row of layers, no single classifier, or its parts one after the
            other do not give what the model gives; says which.
    """
    model = make()
    if isinstance(model.get_classifier(), tuple):
        raise ModelExportError(
            f'{name} {_CANNOT}: it has two classifiers. kind: deit reads the weights of a DeiT'
        )
    if all(hasattr(model, part) for part in ('_pos_embed', 'blocks', 'norm_pre', 'norm')):
        return _tried(model, TokenRow, name, image_size)
    if all(any(hasattr(model, part) for part in parts) for parts in (_STEMS, _STAGES)):
        try:
            return _tried(model, partial(StageRow, whole=False), name, image_size)
        except ModelExportError:
            return _tried(make(), partial(StageRow, whole=True), name, image_size)
    parts = ', '.join(part for part, _ in model.named_children())
    raise ModelExportError(
        f'{name} {_CANNOT}: its body is no row of blocks or stages behind one stem, as of a '
        f'convolutional network. It is made of {parts}'
    )


def _tried(model: Any, kind: Callable[[Any, nn.Linear], Row], name: str, image_size: int) -> Row:
    """Take a model apart and compare what it gave with what its parts give."""
    where = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, 3, image_size, image_size, generator=generator).to(where)
    classifier = _take_classifier(model)
    training = model.training
    model.eval()
    with torch.no_grad(), _gains_of_one(model):
        try:
            # On no device there is nothing to compare.
            expected = None if where.type == 'meta' else model(pixels)
        except _REFUSALS as err:
            raise ModelExportError(
                f'{name} does not take images of {image_size} pixels: {_first_line(err)}'
            ) from err
        try:
            row = kind(model, classifier)
            x = row.embed(pixels)
            for block in row.blocks:
                x = block(x)
                row.tokens(x)
            found = row.features(x)
        except _REFUSALS as err:
            raise ModelExportError(
                f'{name} {_CANNOT}: its layers take more than what the layer before gives '
                f'({_first_line(err)})'
            ) from err
    for part in (model, row.blocks):
        part.train(training)
    if expected is not None:
        difference = (found - expected).abs().max() if found.shape == expected.shape else torch.inf
        if not float(difference) <= _TOLERANCE * float(expected.abs().max()):
            raise ModelExportError(
                f'{name} {_CANNOT}: its layers, one after the other, do not give what the model '
                f'gives (off by {float(difference):.2g}): they take more than the layer before'
            )
    return row


def _first_line(err: BaseException) -> str:
    return str(err).strip().partition('\n')[0] or type(err).__name__


@contextmanager
def _gains_of_one(model: nn.Module) -> Iterator[None]:
    """Open the residual branches of a fresh model while it is tried: many start almost closed."""
    closed = []
    for parameter in model.parameters():
        if parameter.is_meta or parameter.ndim > 3 or not parameter.numel():
            continue
        value = float(parameter.flatten()[0])
        if 0 < abs(value) < _CLOSED and bool((parameter == value).all()):
            closed.append((parameter, value))
    try:
        for parameter, _ in closed:
            parameter.fill_(1.0)
        yield
    finally:
        for parameter, value in closed:
            parameter.fill_(value)


def _take_classifier(model: Any) -> nn.Linear:
    """Put nothing in the place of the last linear map, and return that.

    Raises:
        ModelExportError: There is none.
    """
    inside = model.get_classifier()
    found = [part for part in inside.modules() if isinstance(part, nn.Linear)]
    if not found:
        raise ModelExportError(f'no linear map is the last step: {type(inside).__name__}')
    name = next(name for name, part in model.named_modules() if part is found[-1])
    model.set_submodule(name, nn.Identity())
    return found[-1]


def _layers_of(stage: nn.Module) -> list[nn.Module]:
    """Return the blocks of a stage that is nothing but them and a merging before, or the stage."""
    parts = dict(stage.named_children())
    blocks = parts.pop('blocks', None)
    before = parts.pop('downsample', None)
    if parts or not isinstance(blocks, (nn.Sequential, nn.ModuleList)) or not len(blocks):
        return [Layer(stage)]
    first, *others = blocks
    return [Layer(first, before), *(Layer(block) for block in others)]
