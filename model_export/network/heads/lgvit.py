"""LGViT's two heads: local perception for shallow layers, global aggregation for deep ones.

Reference: Xu et al., LGViT: Dynamic Early Exiting for Accelerating Vision Transformer, ACM MM
2023, equations 2 to 5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_export.errors import ModelExportError
from model_export.network.heads.base import Grid, Neck, sides


class LocalPerceptionNeck(Neck):
    """LGViT's local perception head: 1x1 - depthwise 3x3 - 1x1, or with `kernel` 1: 1x1 - 1x1.

    Convolution gives shallow layers the locality that attention lacks; a residual keeps what the
    patches hold already.
    """

    residual = True

    def __init__(
        self, width: int, grid: Grid, *, kernel: int = 3, hidden: int | None = None
    ) -> None:
        """Convolve with `hidden` channels (default: the width) and a depthwise `kernel`."""
        super().__init__()
        if kernel not in (1, 3):
            raise ModelExportError(f'kernel must be 1 or 3. Got {kernel!r}')
        hidden = hidden or width
        self.sides = sides(grid)
        self.expand = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.GELU())
        self.depthwise = nn.Sequential()
        if kernel == 3:
            conv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
            self.depthwise = nn.Sequential(nn.BatchNorm2d(hidden), conv, nn.GELU())
        self.norm = nn.BatchNorm2d(hidden)
        self.project = nn.Conv2d(hidden, width, 1)
        self.project_norm = nn.BatchNorm2d(width)

    def _convolve(self, patches: Tensor) -> Tensor:
        conv = self.expand[0]
        assert isinstance(conv, nn.Conv2d)
        # A 1x1 convolution as a product, which runs in int8 as those of the layers do.
        x = self.expand[1](F.linear(patches, conv.weight.flatten(1), conv.bias))
        x = x.transpose(1, 2).unflatten(2, self.sides)  # (B, hidden, grid, grid)
        return self.depthwise(x)

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


class GlobalAggregationNeck(Neck):
    """LGViT's global aggregation head: self-attention over patches pooled by `window`.

    Deep layers hold global information already; a coarse look at all of it is enough. The paper
    pools by the mean of a window; its code keeps the first patch of a window (`sample`).
    """

    def __init__(
        self,
        width: int,
        grid: Grid,
        *,
        window: int = 2,
        attention_heads: int = 6,
        sample: bool = False,
    ) -> None:
        """Pool `window` x `window` patches into one, or keep one of them, then attend."""
        super().__init__()
        if not 1 <= window <= min(sides(grid)):
            raise ModelExportError(f'window must be in 1 to {min(sides(grid))}. Got {window!r}')
        if width % attention_heads:
            raise ModelExportError(
                f'attention_heads must divide the width {width}. Got {attention_heads!r}'
            )
        self.sides = sides(grid)
        self.heads = attention_heads
        # The last window of a grid that `window` does not divide averages what is there.
        self.pool = (
            nn.AvgPool2d(1, window)
            if sample
            else nn.AvgPool2d(window, ceil_mode=True, count_include_pad=False)
        )
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def trunk(self, patches: Tensor) -> Tensor:
        """Pool and attend: (B, grid * grid, D) to (B, M, D), M windows."""
        x = patches.transpose(1, 2).unflatten(2, self.sides)
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
