"""The pictures of the command `thresholds`."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from eevit_ros.policies.operating_point import OperatingPoint
from eevit_ros.reporting import style
from model_export.studies.thresholds.reliability import BINS, Reliability


def draw_trade_off(
    points: list[tuple[tuple[float, ...], OperatingPoint, OperatingPoint]],
    chosen: OperatingPoint,
    exits: list[OperatingPoint],
    target: str,
) -> Figure:
    """Draw accuracy over speed-up: on both halves, of fixed exits, and of the choice.

    Args:
        points: Thresholds, and what they reach on the half that chose them and on the other.
        chosen: What the chosen thresholds reach on the other half.
        exits: E + 1 outcomes of leaving always there.
        target: Target in words.
    """
    figure = Figure(figsize=(6.4, 4.0), layout='constrained')
    axes = figure.subplots()
    for outcomes, label, colour, width in (
        ([there for _, there, _ in points], 'where chosen', style.MUTED, 1.0),
        ([seen for _, _, seen in points], 'unseen half', style.RATE, 2.0),
    ):
        axes.plot(
            [one.speedup_macs for one in outcomes],
            [one.accuracy * 100 for one in outcomes],
            color=colour, lw=width, label=label,
        )  # fmt: skip
    axes.plot(
        [one.speedup_macs for one in exits],
        [one.accuracy * 100 for one in exits],
        's', color=style.DARK, ms=4, label='all leave at one exit',
    )  # fmt: skip
    axes.plot(
        chosen.speedup_macs, chosen.accuracy * 100, 'o', color=style.RIGHT, ms=8, label=target
    )
    final = exits[-1].accuracy * 100
    axes.axhline(final, color=style.INK, lw=0.8, ls=':', label='final exit')
    lowest = min(point[2].accuracy for point in points) * 100
    axes.set_ylim(max(lowest, final - 25) - 1, None)
    axes.set_xlabel('times fewer MACs than the plain backbone')
    axes.set_ylabel('accuracy %')
    axes.legend(frameon=False, loc='lower left')
    style.quiet(axes)
    return figure


def draw_reliability(
    layers: tuple[int, ...], after: list[Reliability], before: list[Reliability] | None
) -> Figure:
    """Draw a small diagram an exit: accuracy over confidence; on the diagonal both are equal."""
    columns = min(len(layers), 3)
    rows = -(-len(layers) // columns)
    figure = Figure(figsize=(2.2 * columns, 2.3 * rows), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(layers) :]:
        axes.set_visible(False)
    middle = (np.arange(BINS) + 0.5) / BINS
    for axes, layer, one, index in zip(grid.flat, layers, after, range(len(layers)), strict=False):
        axes.plot([0, 1], [0, 1], color=style.GRID, lw=1)
        weight = one.count / one.count.max()
        axes.bar(middle, weight * 0.25, 1 / BINS, color=style.GRID)
        title = f'layer {layer}: ECE {one.ece:.1%}'
        if before:
            axes.plot(
                before[index].confidence, before[index].accuracy, '.-', color=style.WRONG, lw=1,
                ms=3, label='before',
            )  # fmt: skip
            title = f'layer {layer}: ECE {before[index].ece:.1%}, {one.ece:.1%}'
        axes.plot(one.confidence, one.accuracy, '.-', color=style.RATE, lw=1, ms=3, label='after')
        axes.set_title(title, fontsize=8)
        axes.tick_params(length=0, labelsize=7)
    if before:
        grid.flat[0].legend(frameon=False, fontsize=7, loc='upper left')
    figure.supxlabel('confidence (bars: how many answers)', fontsize=8)
    figure.supylabel('accuracy', fontsize=8)
    return figure
