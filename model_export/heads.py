"""Exit heads: what turns the tokens after a layer into logits.

A head is a neck and a classifier. A neck looks at the patch tokens; their mean plus the class
token goes to the classifier (LGViT, Xu et al., ACM MM 2023, equations 2 to 5):

    logits = classifier(mean(neck(patches)) + class token)

A head of your own is one class, in a module of yours, and one line of YAML:

    class MyNeck(Neck):
        def __init__(self, width: int, grid: int, *, my_parameter: int = 3) -> None: ...
        def forward(self, patches: Tensor) -> Tensor: ...   # (B, N, D) -> (B, M, D)

    exits:
      - {layer: 5, head: my_module.MyNeck, params: {my_parameter: 5}}

The heads below have short names, from `register_neck`; `@register_neck('mine')` gives yours one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.recipe import BackboneRecipe, ExitRecipe


class Neck(nn.Module):
    """Maps patch tokens (B, grid * grid, D) to (B, M, D); the head takes the mean over M.

    A neck whose last step is linear can split itself into a `trunk` and that `tail`. The mean
    commutes with the tail, so the export folds tail and classifier into one small matrix and the
    patches never pass through it (`model_export/fold.py`). A neck without a tail overrides
    `forward` alone and works as well, unfolded.
    """

    residual = False  # whether the patches are added to the tail's output

    def trunk(self, patches: Tensor) -> Tensor:
        """All but the linear tail: (B, grid * grid, D) to (B, M, K)."""
        raise NotImplementedError

    def tail(self) -> tuple[Tensor, Tensor] | None:
        """The linear tail as weight (D, K) and bias (D,), as it is in evaluation mode."""
        return None

    def forward(self, patches: Tensor) -> Tensor:
        """The patch tokens as the classifier should see them, before the mean."""
        raise NotImplementedError


NeckClass = TypeVar('NeckClass', bound=type[Neck])
_NECKS: dict[str, type[Neck]] = {}


def register_neck(name: str) -> Callable[[NeckClass], NeckClass]:
    """Make a neck available to recipes under `name`."""

    def register(cls: NeckClass) -> NeckClass:
        if name in _NECKS:
            raise ModelExportError(f'a neck named {name!r} exists already: {_NECKS[name]}')
        _NECKS[name] = cls
        return cls

    return register


def neck_names() -> list[str]:
    """The names that recipes may use for `head`."""
    return sorted(_NECKS)


@register_neck('mean')
class MeanNeck(Neck):
    """No neck: the mean of the patches as they are. The cheapest head, a linear probe."""

    def __init__(self, width: int, grid: int) -> None:
        """Take what every neck is given: the width D and the patches along one side."""
        super().__init__()

    def forward(self, patches: Tensor) -> Tensor:
        """Return the patches (B, grid * grid, D) unchanged."""
        return patches


@register_neck('lph')
class LocalPerceptionNeck(Neck):
    """LGViT's local perception head: 1x1 - depthwise 3x3 - 1x1, or with `kernel` 1: 1x1 - 1x1.

    Convolution gives shallow layers the locality that attention lacks; a residual keeps what the
    patches hold already.
    """

    residual = True

    def __init__(
        self, width: int, grid: int, *, kernel: int = 3, hidden: int | None = None
    ) -> None:
        """Convolve with `hidden` channels (default: the width) and a depthwise `kernel`."""
        super().__init__()
        if kernel not in (1, 3):
            raise ModelExportError(f'lph: kernel must be 1 or 3. Got {kernel!r}')
        hidden = hidden or width
        self.grid = grid
        self.expand = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.GELU())
        self.depthwise = nn.Sequential()
        if kernel == 3:
            conv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
            self.depthwise = nn.Sequential(nn.BatchNorm2d(hidden), conv, nn.GELU())
        self.norm = nn.BatchNorm2d(hidden)
        self.project = nn.Conv2d(hidden, width, 1)
        self.project_norm = nn.BatchNorm2d(width)

    def _convolve(self, patches: Tensor) -> Tensor:
        x = patches.transpose(1, 2).unflatten(2, (self.grid, self.grid))  # (B, D, grid, grid)
        return self.depthwise(self.expand(x))

    def trunk(self, patches: Tensor) -> Tensor:
        """Convolve up to the last norm: (B, grid * grid, D) to (B, grid * grid, hidden)."""
        return self._convolve(patches).flatten(2).transpose(1, 2)

    def tail(self) -> tuple[Tensor, Tensor]:
        """Merge norm, 1x1 projection and norm into weight (D, hidden) and bias (D,)."""
        scale, shift = _affine(self.norm)
        out_scale, out_shift = _affine(self.project_norm)
        assert self.project.bias is not None
        weight = self.project.weight.flatten(1)  # (D, hidden)
        bias = self.project.bias + weight @ shift
        return out_scale[:, None] * weight * scale, out_scale * bias + out_shift

    def forward(self, patches: Tensor) -> Tensor:
        """Add what the convolutions see to the patches (B, grid * grid, D)."""
        x = self.project_norm(self.project(self.norm(self._convolve(patches))))
        return patches + x.flatten(2).transpose(1, 2)


@register_neck('gah')
class GlobalAggregationNeck(Neck):
    """LGViT's global aggregation head: self-attention over patches pooled by `window`.

    Deep layers hold global information already; a coarse look at all of it is enough.
    """

    def __init__(self, width: int, grid: int, *, window: int = 2, attention_heads: int = 6) -> None:
        """Pool `window` x `window` patches into one, then attend."""
        super().__init__()
        if not 1 <= window <= grid:
            raise ModelExportError(f'gah: window must be in 1 to {grid}. Got {window!r}')
        if width % attention_heads:
            raise ModelExportError(
                f'gah: attention_heads must divide the width {width}. Got {attention_heads!r}'
            )
        self.grid = grid
        self.heads = attention_heads
        # The last window of a grid that `window` does not divide averages what is there.
        self.pool = nn.AvgPool2d(window, ceil_mode=True, count_include_pad=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def trunk(self, patches: Tensor) -> Tensor:
        """Pool and attend: (B, grid * grid, D) to (B, M, D), M windows."""
        x = patches.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        x = self.pool(x).flatten(2).transpose(1, 2)  # (B, M, D)
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1)
        )
        x = F.scaled_dot_product_attention(q, k, v)  # (B, h, M, d)
        return x.transpose(1, 2).flatten(2)

    def tail(self) -> tuple[Tensor, Tensor]:
        """Return the output projection."""
        return self.proj.weight, self.proj.bias

    def forward(self, patches: Tensor) -> Tensor:
        """Map (B, grid * grid, D) to (B, M, D)."""
        return self.proj(self.trunk(patches))


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift of a batch norm in evaluation mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


class ExitHead(nn.Module):
    """A norm, a neck and a classifier."""

    def __init__(self, neck: Neck, width: int, num_classes: int) -> None:
        """Put a norm before `neck` and a linear classifier behind it."""
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)  # tokens of a pre-norm ViT have no fixed scale
        self.neck = neck
        self.classifier = nn.Linear(width, num_classes)
        nn.init.trunc_normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, C) of tokens (B, 1 + grid * grid, D)."""
        x = self.norm(x)
        return self.classifier(self.neck(x[:, 1:]).mean(dim=1) + x[:, 0])


def build_head(recipe: ExitRecipe, backbone: BackboneRecipe, num_classes: int) -> ExitHead:
    """Make the head that a recipe's exit names.

    Raises:
        ModelExportError: the name is unknown or the neck does not take these parameters.
    """
    params: dict[str, Any] = dict(recipe.params)
    try:
        neck = _neck_class(recipe.head)(backbone.width, backbone.grid, **params)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as err:
        raise ModelExportError(f'head {recipe.head!r} after layer {recipe.layer}: {err}') from err
    return ExitHead(neck, backbone.width, num_classes)


def _neck_class(name: str) -> type[Neck]:
    """Look a head up by its short name, or import it as `module.Class`."""
    if name in _NECKS:
        return _NECKS[name]
    module, dot, attribute = name.rpartition('.')
    if not dot:
        raise ModelExportError(
            f'unknown head {name!r}; known are {neck_names()} and your own as module.Class'
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise ModelExportError(f'head {name!r} cannot be imported: {err}') from err
    if not (isinstance(found, type) and issubclass(found, Neck)):
        raise ModelExportError(f'head {name!r} must be a class derived from Neck. Got {found!r}')
    return found
