"""Taking a model of timm apart: which kind of row it is, and the proof that it is one.

Whether the parts, one after the other, give what the model itself gives is not believed but tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from model_export.errors import ModelExportError
from model_export.timm_models.create import first_line
from model_export.timm_models.row import STAGES, STEMS, Row, StageRow, TokenRow

_CANNOT = 'cannot carry exits'
_TOLERANCE = 1e-4  # of the largest feature
_CLOSED = 0.5  # a gain below it
_REFUSALS = (
    *(RuntimeError, TypeError, ValueError, AssertionError, AttributeError, IndexError),
    ModelExportError,
)


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
    if all(any(hasattr(model, part) for part in parts) for parts in (STEMS, STAGES)):
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
                f'{name} does not take images of {image_size} pixels: {first_line(err)}'
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
                f'({first_line(err)})'
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
