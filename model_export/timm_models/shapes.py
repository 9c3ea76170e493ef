"""What the layers of a model of timm give, found without computing anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from model_export.timm_models.create import create_model
from model_export.timm_models.row import Row
from model_export.timm_models.take_apart import row_of

_WIDTH = 64  # channels of an attention head, as nearly all have


@dataclass(frozen=True)
class Shapes:
    """What each layer gives, from the first to the last.

    Attributes:
        widths: Channels of a token.
        grids: Patches along one side of the image, or rows and columns where these differ.
        attention_heads: Of its attention; where it has none, as many as fit its width.
    """

    widths: tuple[int, ...]
    grids: tuple[int | tuple[int, int], ...]
    attention_heads: tuple[int, ...]


def shapes_of(name: str, image_size: int, params: Mapping[str, Any]) -> Shapes:
    """Return the shapes of a model.

    Raises:
        ModelExportError: It cannot be made or walked, or its patches lie in no rows and columns.
    """
    return _shapes_of(name, image_size, json.dumps(dict(params), sort_keys=True))


@lru_cache(maxsize=64)
@torch.no_grad()
def _shapes_of(name: str, image_size: int, params: str) -> Shapes:
    with torch.device('meta'):
        make = partial(create_model, name, image_size, 2, json.loads(params))
        row = row_of(make, name, image_size)
        x = row.embed(torch.zeros(1, 3, image_size, image_size))
    found = []
    for block in row.blocks:
        x = block(x)
        found.append(_shape(row, x, block))
    widths, grids, heads = zip(*found, strict=True)
    return Shapes(widths, grids, heads)


def _shape(row: Row, x: Tensor, block: nn.Module) -> tuple[int, int | tuple[int, int], int]:
    width = row.tokens(x).shape[2]
    rows, columns = row.sides(x)
    heads = (getattr(part, 'num_heads', None) for part in block.modules())
    own = next((number for number in heads if isinstance(number, int)), max(1, width // _WIDTH))
    return width, rows if rows == columns else (rows, columns), math.gcd(own, width)
