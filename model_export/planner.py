"""Where to put exits, and which head to put there: a plan before anything is trained.

Exits at equal MAC distance divide the work of a whole image into steps as equal as whole layers
allow: a step is the layers between two exits and the head at its end. Which head follows a layer
depends on its depth, as in LGViT: convolution where attention still lacks locality, then coarse
attention. The bounds of that rule are read from LGViT's published code, which hard-codes the heads
of eight exits; at those exits this rule gives the same.

Reference: Xu et al., LGViT: Dynamic Early Exiting for Accelerating Vision Transformer, ACM MM 2023.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from model_export.errors import UsageError
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import fold
from model_export.network.heads.base import sides
from model_export.network.macs import count_run
from model_export.recipe.checked import read_yaml
from model_export.recipe.recipe import BackboneRecipe, ExitRecipe, Recipe, recipe_from_dict
from model_export.recipe.timm_backbone import TimmRecipe

SCHEMES = ('uniform', 'shallow', 'middle', 'deep')

# Up to which depth a head of this kind and size follows, by LGViT's eight exits: of a ViT-B or a
# DeiT-B after layers 4 to 11 of 12, of a Swin-B after layers 4, 7, 10, 13, 16, 19, 22 and 23 of 24.
_PLAIN_RULE = ((5 / 12, 'lph', 3), (7 / 12, 'lph', 1), (9 / 12, 'gah', 2), (1, 'gah', 3))
_SWIN_RULE = ((9 / 24, 'lph', 3), (13 / 24, 'lph', 1), (19 / 24, 'gah', 1), (1, 'gah', 2))


@dataclass(frozen=True)
class Costs:
    """MACs of one image, part by part.

    Attributes:
        layers: L counts: the embedding with layer 1, then each layer, the last with the classifier.
        heads: L - 1 counts: of the head that `head_after` puts after each layer but the last, in
            its deployed form (`fold.py`).
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...]


def place(
    backbone: BackboneRecipe | TimmRecipe,
    count: int,
    scheme: str = 'uniform',
    *,
    first: int | None = None,
    num_classes: int = 100,
) -> tuple[ExitRecipe, ...]:
    """Propose exits.

    Args:
        backbone: The network to put them into.
        count: Number of exits.
        scheme: `uniform` for equal MAC distance from the first layer to the last, or a dense block
            of exits: `shallow` (after the first layers), `middle` or `deep` (before the last).
        first: With `uniform`, the layer (from 1) of the first exit; the distances to it are then
            not counted.
        num_classes: Classes of the heads, which cost a little.

    Raises:
        ModelExportError: There is no such scheme, or the exits do not fit in.
    """
    if scheme not in SCHEMES:
        raise UsageError(f'scheme must be one of {SCHEMES}. Got {scheme!r}')
    if first is not None and scheme != 'uniform':
        raise UsageError(f'first can be chosen with the scheme uniform only. Got {scheme!r}')
    last = backbone.layers - 1
    if first is not None and not 1 <= first <= last:
        raise UsageError(f'first must be in 1 to {last}. Got {first}')
    room = last - (first or 1) + 1
    if not 1 <= count <= room:
        raise UsageError(f'the number of exits must be in 1 to {room}. Got {count}')
    if scheme == 'uniform':
        layers = equal_steps(costs(backbone, num_classes), count, first)
    else:
        start = {'shallow': 1, 'middle': 1 + (room - count) // 2, 'deep': 1 + room - count}[scheme]
        layers = tuple(range(start, start + count))
    return tuple(head_after(backbone, layer) for layer in layers)


def head_after(backbone: BackboneRecipe | TimmRecipe, layer: int) -> ExitRecipe:
    """Return LGViT's head for the depth of `layer`, with as many attention heads as the layer.

    Where one patch is left, there is nothing to convolve or to attend to: `mean`.
    """
    least = min(sides(backbone.exit_shape(layer)[1]))
    if least == 1:
        return ExitRecipe(layer, 'mean')
    rule = _SWIN_RULE if backbone.hierarchical else _PLAIN_RULE
    depth = layer / backbone.layers
    head, size = next((head, size) for bound, head, size in rule if depth <= bound)
    if head == 'lph':
        return ExitRecipe(layer, head, {'kernel': size})
    heads = backbone.heads_at(layer)
    return ExitRecipe(layer, head, {'window': min(size, least), 'attention_heads': heads})


@torch.no_grad()
def costs(backbone: BackboneRecipe | TimmRecipe, num_classes: int) -> Costs:
    """Count each layer, and the head that would follow it, without computing anything."""
    exits = tuple(head_after(backbone, layer) for layer in range(1, backbone.layers))
    size = backbone.image_size
    task = 'classification' if num_classes > 1 else 'regression'
    with torch.device('meta'):
        model = fold(EarlyExitViT(Recipe('plan', backbone, exits, num_classes, task=task)))
        image = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    network = model.backbone
    *tokens, last = network.walk(image, range(backbone.layers))
    layers = [count_run(block, x) for block, x in zip(network.blocks, tokens, strict=False)]
    layers[0] += count_run(network.embed, image)
    *seen, _ = model.walk(image)  # there is an exit after every layer but the last
    heads = [count_run(head, x) for head, x in zip(model.heads, seen, strict=True)]
    return Costs((*layers, count_run(network.classify, last)), tuple(heads))


def equal_steps(costs: Costs, count: int, first: int | None = None) -> tuple[int, ...]:
    """Return the `count` layers at which exits divide the work most equally.

    A step is the layers since the exit before (or since the image) and its own head; the last step
    is what remains to the final classifier. Most equal is the least sum of squared steps. With
    `first`, the first exit follows that layer and its own step is not counted.
    """
    until = [0, *itertools.accumulate(costs.layers)]  # MACs of the layers up to each
    heads = [0, *costs.heads, 0]
    end = len(costs.layers)
    # best[layer]: the least sum of squares with an exit after `layer`, and the exits up to it.
    best: dict[int, tuple[int, tuple[int, ...]]] = {}
    if first is None:
        best = {one: ((until[one] + heads[one]) ** 2, (one,)) for one in range(1, end)}
    else:
        best = {first: (0, (first,))}
    for left in range(count - 1, -1, -1):
        ends = range(1, end) if left else (end,)
        best = {
            layer: min(
                (total + (until[layer] - until[before] + heads[layer]) ** 2, (*exits, layer))
                for before, (total, exits) in best.items()
                if before < layer
            )
            for layer in ends
            if min(best) < layer
        }
    return best[end][1][:-1]


def leaving(costs: Costs, exits: Sequence[ExitRecipe]) -> list[int]:
    """Return the MACs of an image that leaves at each exit and, last, at the end."""
    spent, macs = 0, []
    for exit in exits:
        spent += costs.heads[exit.layer - 1]
        macs.append(sum(costs.layers[: exit.layer]) + spent)
    return [*macs, sum(costs.layers) + spent]


def table(costs: Costs, exits: Sequence[ExitRecipe]) -> str:
    """Return the plan as text: layer, head, MACs so far, share of the backbone, head MACs."""
    backbone = sum(costs.layers)
    rows = [(exit.layer, _words(exit), costs.heads[exit.layer - 1]) for exit in exits]
    rows.append((len(costs.layers), 'final', 0))
    lines = ['layer  head   MMACs so far  of the backbone  MMACs of the head']
    for (layer, head, own), macs in zip(rows, leaving(costs, exits), strict=True):
        lines.append(
            f'{layer:>5}  {head:<5}  {macs / 1e6:>12.1f}  {macs / backbone:>15.1%}  '
            f'{own / 1e6:>17.1f}'
        )
    return '\n'.join(lines)


def exits_yaml(exits: Sequence[ExitRecipe]) -> str:
    """Return the `exits:` block of a recipe."""
    lines = ['exits:']
    for exit in exits:
        entry: dict[str, Any] = {'layer': exit.layer, 'head': exit.head, 'params': exit.params}
        text = yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000)
        lines.append(f'  - {text.strip()}')
    return '\n'.join(lines)


def load_backbone(path: Path) -> tuple[BackboneRecipe | TimmRecipe, int]:
    """Return backbone and number of classes of a recipe file, which may lack exits.

    Raises:
        ModelExportError: The file is missing, is not YAML, or a value does not fit.
    """
    data = read_yaml(path, 'recipe')
    if isinstance(data, dict):
        data = {**data, 'exits': [{'layer': 1, 'head': 'mean'}]}
    recipe = recipe_from_dict(data)
    return recipe.backbone, recipe.num_classes


def _words(exit: ExitRecipe) -> str:
    size = exit.params.get('kernel') or exit.params.get('window') or ''
    return f'{exit.head} {size}'.strip()
