"""Exit heads: what turns the tokens after a layer into logits.

There are two kinds, and a recipe names either in the same way. A neck looks at the patch tokens
only; their mean plus the class token goes to a linear classifier (`NeckHead`):

    logits = classifier(mean(neck(patches)) + class token)

Where the tokens are normalised is the parameter `norm` of every neck: `first` (default), `none` as
LGViT on ViT and DeiT, or `last` as LGViT on Swin, which leaves the class token out:
classifier(mean(norm(neck(patches)))).

An `ExitHead` sees all tokens and does as it likes, as long as a linear `classifier` comes last.
Either of your own is one class, in a module of yours, and one line of YAML:

    class MyNeck(Neck):
        def __init__(self, width: int, grid: int, *, my_parameter: int = 3) -> None: ...
        def forward(self, patches: Tensor) -> Tensor: ...   # (B, N, D) -> (B, M, D)

    class MyHead(ExitHead):
        def __init__(self, width: int, grid: int, num_classes: int) -> None: ...
        def forward(self, x: Tensor) -> Tensor: ...   # (B, 1 + N, D) -> (B, C)

    exits:
      - {layer: 5, head: my_module.MyNeck, params: {my_parameter: 5}}
      - {layer: 7, head: my_module.MyHead}

The built-in ones have the short names below; `@register_neck('mine')` or `@register_head('mine')`
gives yours one. `grid` is the number of patches along one side, or (rows, columns) where they
differ, as for a model of timm whose patches are no squares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from model_export.errors import ModelExportError
from model_export.network.heads.base import ExitHead, Grid, Neck, NeckHead, PatchHead
from model_export.network.heads.distilled import DistilledHead
from model_export.network.heads.lgvit import GlobalAggregationNeck, LocalPerceptionNeck
from model_export.network.heads.multi_exit import (
    CnnAddHead,
    CnnIgnoreHead,
    CnnProjectHead,
    MlpHead,
    MlpMixerHead,
    ResMlpHead,
    ViTHead,
)
from model_export.network.heads.plain import LinearHead, MeanNeck
from model_export.recipe.lookup import find_class
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe
from model_export.recipe.timm_backbone import TimmRecipe

__all__ = [
    'ExitHead',
    'LocalPerceptionNeck',
    'MeanNeck',
    'Neck',
    'NeckHead',
    'build_head',
    'head_names',
    'neck_names',
    'register_head',
    'register_neck',
]

NORMS = ('first', 'none', 'last')  # where a head with a neck normalises

_NECKS: dict[str, type[Neck]] = {
    'mean': MeanNeck,
    'lph': LocalPerceptionNeck,
    'gah': GlobalAggregationNeck,
}
_HEADS: dict[str, type[ExitHead]] = {
    'linear': LinearHead,
    'mlp_ee': MlpHead,
    'vit_ee': ViTHead,
    'cnn_ignore_ee': CnnIgnoreHead,
    'cnn_add_ee': CnnAddHead,
    'cnn_project_ee': CnnProjectHead,
    'mlp_mixer_ee': MlpMixerHead,
    'resmlp_ee': ResMlpHead,
}

NeckClass = TypeVar('NeckClass', bound=type[Neck])
HeadClass = TypeVar('HeadClass', bound=type[ExitHead])


def register_neck(name: str) -> Callable[[NeckClass], NeckClass]:
    """Make a neck available to recipes under `name`."""

    def register(cls: NeckClass) -> NeckClass:
        _refuse_known(name)
        _NECKS[name] = cls
        return cls

    return register


def register_head(name: str) -> Callable[[HeadClass], HeadClass]:
    """Make a whole head available to recipes under `name`."""

    def register(cls: HeadClass) -> HeadClass:
        _refuse_known(name)
        _HEADS[name] = cls
        return cls

    return register


def neck_names() -> list[str]:
    """Return the names of the heads that are a neck and a linear classifier."""
    return sorted(_NECKS)


def head_names() -> list[str]:
    """Return the names that recipes may use for `head`, necks among them."""
    return sorted({**_NECKS, **_HEADS})


def build_head(
    recipe: ExitRecipe, backbone: BackboneRecipe | TimmRecipe, num_classes: int
) -> ExitHead:
    """Make the head that a recipe's exit names.

    Raises:
        ModelExportError: The name is unknown, the head does not take these parameters or this
            backbone, or it has no linear classifier.
    """
    width, grid = backbone.exit_shape(recipe.layer)
    known = {**_NECKS, **_HEADS}
    cls = find_class('head', recipe.head, known, (Neck, ExitHead))
    try:
        if issubclass(cls, Neck):
            return _neck_head(cls, recipe.params, backbone.class_tokens, width, grid, num_classes)
        head = cls(width, grid, num_classes, **recipe.params)
    except (TypeError, ValueError, ArithmeticError, RuntimeError, ModelExportError) as err:
        raise ModelExportError(f'head {recipe.head!r} after layer {recipe.layer}: {err}') from err
    classifier = getattr(head, 'classifier', None)
    if not isinstance(classifier, nn.Linear) or classifier.out_features != num_classes:
        raise ModelExportError(
            f'head {recipe.head!r} after layer {recipe.layer} must end in a linear layer named '
            f'classifier with {num_classes} outputs. Got {classifier!r}'
        )
    if backbone.class_tokens == 2:
        return DistilledHead(head, width, grid, num_classes)
    return head


def _neck_head(
    cls: type[Neck],
    params: dict[str, Any],
    class_tokens: int,
    width: int,
    grid: Grid,
    num_classes: int,
) -> ExitHead:
    params = dict(params)
    norm = params.pop('norm', 'first')
    if norm not in NORMS:
        raise ModelExportError(f'norm must be one of {NORMS}. Got {norm!r}')
    neck = cls(width, grid, **params)
    if norm != 'last':
        return NeckHead(
            neck, width, grid, num_classes, class_tokens=class_tokens, norm=norm == 'first'
        )
    if class_tokens != 1:
        raise ModelExportError('norm must be first or none on a DeiT: last reads no class token')
    return PatchHead(neck, width, grid, num_classes)


def _refuse_known(name: str) -> None:
    known = {**_NECKS, **_HEADS}
    if name in known:
        raise ModelExportError(f'a head named {name!r} exists already: {known[name]}')
