"""Study `placement`: the same number of exits in other places.

Reference: Xu et al., LGViT, ACM MM 2023: shallow, middle, deep and uniform placement.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from eevit_ros.policies import Softmax
from eevit_ros.policies.base import GRID
from eevit_ros.policies.operating_point import OperatingPoint, measure_exits
from eevit_ros.reporting.style import MUTED, RATE, RIGHT, WRONG, quiet
from model_export.calibration.choose import CalibrationSet, Target, choose
from model_export.calibration.temperatures import calibrate
from model_export.errors import ModelExportError
from model_export.network.heads import build_head
from model_export.planner import SCHEMES, Costs, costs, place
from model_export.planner import leaving as macs_leaving
from model_export.progress import progress
from model_export.recipe.recipe import ExitRecipe
from model_export.studies.heads.probes import Budget, budget_of, features, head_logits, train_head
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Cell, Study, Table, model_facts
from model_export.weights.stored import load_model, load_training_data

IMAGES, EPOCHS = 3000, 6  # five minutes on one core of a PC
HELD_OUT = 2000  # images of the held-out ones: half chooses thresholds, half measures
SHARE = 3  # one exit for so many layers: 4 of a ViT with 12
SPEEDUPS = (1.5, 2.0)
DOUBTFUL = Softmax()
DOUBTFUL.candidates = GRID[2:]  # weak heads are never sure
FASTEST, DEEPEST = 3.0, 30  # where the picture ends: a speed-up, and points of accuracy lost


@dataclass(frozen=True)
class Curve:
    """What one scheme does on images that did not choose its thresholds.

    Attributes:
        scheme: Name of the placement.
        exits: E exits.
        points: The trade-off, from careful to fast.
        at: For each of `SPEEDUPS`, the most accurate thresholds that promised it; None where no
            thresholds did.
    """

    scheme: str
    exits: tuple[ExitRecipe, ...]
    points: tuple[OperatingPoint, ...]
    at: tuple[OperatingPoint | None, ...]


def study(inputs: StudyInputs) -> Study:
    """Train each head that a scheme needs once, then compare the schemes."""
    assert inputs.weights and inputs.data
    budget = budget_of(inputs, images=IMAGES, epochs=EPOCHS)
    model, _ = load_model(inputs.weights)
    recipe = model.recipe
    count = max(1, recipe.backbone.layers // SHARE)
    plans = {
        scheme: place(recipe.backbone, count, scheme, num_classes=recipe.num_classes)
        for scheme in SCHEMES
    }
    training, held_out = load_training_data(inputs.weights, recipe, inputs.data)
    training, held_out = training.spread(budget.images), held_out.spread(HELD_OUT)
    exits = {_name(exit): exit for plan in plans.values() for exit in plan}
    wanted = {exit.layer for exit in exits.values()}
    seen, unseen = (features(model, half, wanted) for half in (training, held_out))
    logits: dict[str, Tensor] = {}
    for name, exit in progress(exits.items(), 'heads', unit='head'):
        torch.manual_seed(recipe.seed)
        head = build_head(exit, recipe.backbone, recipe.num_classes)
        train_head(head, seen.tokens[exit.layer], seen.labels, budget, seed=recipe.seed)
        logits[name] = head_logits(head, unseen.tokens[exit.layer])
    price = costs(recipe.backbone, recipe.num_classes)
    curves = [
        trade_off(
            scheme,
            plan,
            torch.stack([*(logits[_name(exit)] for exit in plan), unseen.final]),
            unseen.labels,
            price,
        )
        for scheme, plan in plans.items()
    ]
    final = float((unseen.final.argmax(-1) == unseen.labels)[1::2].float().mean())
    return Study(
        'placement',
        'Where to put the exits',
        _text(budget, count, len(held_out), final),
        (_at_speedups(curves, final), _heads(exits, logits, unseen.labels)),
        {'curves': _figure(curves, final)},
        model_facts(inputs.weights),
    )


def trade_off(
    scheme: str, exits: tuple[ExitRecipe, ...], logits: Tensor, labels: Tensor, price: Costs
) -> Curve:
    """Choose temperatures and thresholds on every second image, measure on the others.

    Args:
        scheme: Name of the placement.
        exits: E exits.
        logits: float32 (E + 1, N, C) of the exits and, last, of the final classifier.
        labels: int64 (N,).
        price: MACs of the layers and heads.
    """
    indices = np.arange(len(labels))
    _, probabilities = calibrate(logits, labels, indices[::2])
    known = CalibrationSet(
        DOUBTFUL,
        measure_exits(DOUBTFUL, probabilities),
        labels.numpy(),
        (*(exit.layer for exit in exits), len(price.layers)),
        tuple(macs_leaving(price, exits)),
        sum(price.layers),
    )
    to_choose, to_test = known.subset(indices[::2]), known.subset(indices[1::2])

    def measure_at(speedup: float) -> OperatingPoint | None:
        try:
            return to_test.operating_point(choose(to_choose, Target(min_speedup=speedup)))
        except ModelExportError:  # its exits lie too deep
            return None

    points = tuple(to_test.operating_point(thresholds) for thresholds in to_choose.front())
    return Curve(scheme, exits, points, tuple(measure_at(speedup) for speedup in SPEEDUPS))


def _name(exit: ExitRecipe) -> str:
    return f'{exit.layer} {exit.head} {json.dumps(exit.params, sort_keys=True)}'


def _at_speedups(curves: list[Curve], final: float) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for curve in curves:
        row: list[Cell] = [curve.scheme, ' '.join(str(exit.layer) for exit in curve.exits)]
        for found in curve.at:
            if found:
                row += [found.speedup_macs, found.accuracy, 100 * (final - found.accuracy)]
            else:
                row += [None, None, None]
        row.append(max(point.speedup_macs for point in curve.points))
        rows.append(tuple(row))
    columns = ['placement', 'exits after layers']
    for target in SPEEDUPS:
        columns += [f'for {target:g}x: speed-up', 'accuracy, %', 'points lost']
    return Table(
        'speedups',
        'Accuracy at equal speed-up',
        (*columns, 'highest speed-up'),
        tuple(rows),
        'Empty: no thresholds of this placement reach that speed-up on the half that chooses them. '
        'Speed-ups are in MACs, heads included, measured on the other half.',
    )


def _heads(exits: dict[str, ExitRecipe], logits: dict[str, Tensor], labels: Tensor) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, exit in sorted(exits.items(), key=lambda item: item[1].layer):
        size = ', '.join(f'{key} {value}' for key, value in exit.params.items())
        accuracy = float((logits[name].argmax(-1) == labels).float().mean())
        rows.append((exit.layer, exit.head, size, accuracy))
    columns = ('layer', 'head', 'size', 'accuracy, %')
    return Table('heads', 'The heads, each alone on all held-out images', columns, tuple(rows))


def _figure(curves: list[Curve], final: float) -> Figure:
    figure = Figure(figsize=(6.4, 3.9), layout='constrained')
    axes = figure.subplots()
    colours = {'uniform': RIGHT, 'shallow': RATE, 'middle': '#e08a1e', 'deep': WRONG}
    for curve in curves:
        points = sorted((point.speedup_macs, 100 * point.accuracy) for point in curve.points)
        layers = ', '.join(str(exit.layer) for exit in curve.exits)
        axes.plot(
            *zip(*points, strict=True),
            marker='o', ms=2.5, lw=1.2, color=colours[curve.scheme],
            label=f'{curve.scheme}: {layers}',
        )  # fmt: skip
    for target in SPEEDUPS:
        axes.axvline(target, color=MUTED, lw=0.7, ls=':')
    axes.axhline(100 * final, color=MUTED, lw=0.8, ls='--')
    axes.set_xlim(0.9, FASTEST)
    axes.set_ylim(100 * final - DEEPEST, 100 * final + 2)
    axes.set_xlabel('speed-up in MACs, heads included')
    axes.set_ylabel('accuracy, %')
    quiet(axes)
    axes.legend(fontsize=8, frameon=False, title='exits after layers', loc='upper right')
    return figure


def _text(budget: Budget, count: int, held_out: int, final: float) -> str:
    return (
        f"LGViT's placements of {count} exits on the frozen backbone, with heads chosen by depth, "
        f'also as in LGViT (`model_export/planner.py`). Each head was trained alone on the same '
        f'{budget.images} training images, seen {budget.epochs} times without augmentation: a '
        f'small budget, so that the study takes minutes. Temperatures and thresholds were chosen '
        f'on half of {held_out} held-out images and measured on the other half (one standard error '
        f'is about {50 / (held_out / 2) ** 0.5:.1f} points or less, and less for differences '
        f'between placements, because the images are the same). The dashed line is the final '
        f'classifier, {final:.1%} on that other half.'
    )
