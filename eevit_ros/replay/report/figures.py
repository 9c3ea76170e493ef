"""The report's smaller plots; the timeline has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eevit_ros.replay.results.correctness import Correctness, Mask, mark_correct
from eevit_ros.reporting.style import DARK, INK, MUTED, RATE, RIGHT, WRONG, quiet

SIZE = (4.6, 3.1)
MOST_TICKS = 14
UNCERTAIN_BELOW = 20  # frames: their share says little


def exit_histogram(frames: pd.DataFrame, facts: Mapping[str, Any]) -> Figure:
    """Draw where frames left, coloured by right and wrong where that is known."""
    figure, axes = _figure('Where frames left', 'frames')
    layers, correctness = int(facts['model']['layers']), mark_correct(frames)
    below = np.zeros(layers)
    for mask, colour, name in _groups(correctness):
        counts = _by_layer(frames, mask, layers)
        axes.bar(_numbers(layers), counts, bottom=below, color=colour, width=0.78, label=name)
        below += counts
    _legend_of(axes, correctness, below)
    _layer_ticks(axes, layers)
    return figure


def latency_by_exit(frames: pd.DataFrame, facts: Mapping[str, Any]) -> Figure:
    """Draw the spread of the latency of each exit: box for the middle half, whiskers to p99."""
    figure, axes = _figure('Latency by exit', 'ms')
    layers, exits = int(facts['model']['layers']), frames['exit_layer'].to_numpy(np.float64)
    latency = frames['latency_ms'].to_numpy(np.float64)
    boxes = []
    for layer in _numbers(layers):
        of_layer = latency[(exits == layer) & np.isfinite(latency)]
        if len(of_layer):
            low, q1, middle, q3, high = np.percentile(of_layer, (1, 25, 50, 75, 99))
            boxes.append(
                (layer, {'whislo': low, 'q1': q1, 'med': middle, 'q3': q3, 'whishi': high})
            )
    if boxes:
        axes.bxp(
            [{**box, 'fliers': []} for _, box in boxes],
            positions=[layer for layer, _ in boxes],
            widths=0.55,
            patch_artist=True,
            showfliers=False,
            boxprops={'facecolor': '#c3d4f6', 'edgecolor': RATE},
            medianprops={'color': INK, 'lw': 2},
            whiskerprops={'color': RATE},
            capprops={'color': RATE},
        )
        axes.set_ylim(0, 1.1 * max(1e-3, *(box['whishi'] for _, box in boxes)))
    _layer_ticks(axes, layers, 'exit layer; whiskers from p1 to p99')
    return figure


def accuracy_by_exit(frames: pd.DataFrame, facts: Mapping[str, Any]) -> Figure:
    """Draw the share of right answers of each exit beside their mean confidence."""
    correctness = mark_correct(frames)
    agreement = correctness.against == 'reference'
    title = 'As at full depth, by exit' if agreement else 'Right answers by exit'
    figure, axes = _figure(title, '%')
    layers = int(facts['model']['layers'])
    right = _by_layer(frames, correctness.right, layers)
    total = right + _by_layer(frames, correctness.wrong, layers)
    weights = np.nan_to_num(frames['confidence'].to_numpy(np.float64))
    sure = _by_layer(frames, correctness.right | correctness.wrong, layers, weights)
    known = total > 0
    numbers, share = _numbers(layers)[known], 100 * right[known] / total[known]
    for few, name in ((False, ''), (True, f'fewer than {UNCERTAIN_BELOW} frames')):
        chosen = (total[known] < UNCERTAIN_BELOW) == few
        if chosen.any():
            colour = '#a9dcc6' if few else RIGHT
            axes.bar(numbers[chosen], share[chosen], color=colour, width=0.72, label=name or None)
    level = 100 * sure[known] / total[known]
    axes.hlines(level, numbers - 0.36, numbers + 0.36, color=INK, ls='--', label='mean confidence')
    if len(numbers) <= MOST_TICKS:
        for layer, value in zip(numbers, share, strict=True):
            axes.text(layer, 3, f'{value:.0f}', ha='center', fontsize=8.5, weight='bold', color=INK)
    axes.set_ylim(0, 126)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.legend(frameon=False, loc='upper right', ncol=2)
    _layer_ticks(axes, layers)
    return figure


def confidence_histogram(frames: pd.DataFrame) -> Figure:
    """Draw how confident right and wrong answers were."""
    figure, axes = _figure('Confidence', 'frames')
    correctness, confidence = mark_correct(frames), frames['confidence'].to_numpy(np.float64)
    edges = np.linspace(0, 1, 26)
    below = np.zeros(len(edges) - 1)
    for mask, colour, name in _groups(correctness):
        counts, _ = np.histogram(confidence[mask], edges)
        axes.bar(
            edges[:-1], counts, bottom=below, width=0.036, align='edge', color=colour, label=name
        )
        below += counts
    _legend_of(axes, correctness, below)
    axes.set_xlim(0, 1)
    axes.set_xlabel('confidence of the answer')
    return figure


def _figure(title: str, unit: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout='constrained')
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_ylabel(unit)
    quiet(axes)
    return figure, axes


def _groups(correctness: Correctness) -> list[tuple[Mask, str, str]]:
    """Return mask, colour and name of the groups that there are."""
    names = correctness.words
    groups = [(correctness.right, RIGHT, names[0]), (correctness.wrong, WRONG, names[1])]
    unknown = 'without truth' if correctness.against == 'truth' else 'not compared'
    groups.append((correctness.unknown, MUTED if correctness.against else DARK, unknown))
    return [group for group in groups if group[0].any()]


def _legend_of(axes: Axes, correctness: Correctness, heights: npt.NDArray[np.float64]) -> None:
    top = max(1.0, float(heights.max()))
    if correctness.against:
        axes.legend(frameon=False, loc='upper left')
        top *= 1.3  # room for it
    axes.set_ylim(0, 1.05 * top)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def _numbers(layers: int) -> npt.NDArray[np.int64]:
    return np.arange(1, layers + 1)


def _by_layer(
    frames: pd.DataFrame, mask: Mask, layers: int, weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Return (layers,) how many of the masked frames left where, or the sum of their weights."""
    exits = frames['exit_layer'].to_numpy(np.float64)[mask]
    kept = np.isfinite(exits)
    chosen = None if weights is None else weights[mask][kept]
    counts = np.bincount(exits[kept].astype(np.int64), chosen, layers + 1)
    return np.asarray(counts[1:], np.float64)


def _layer_ticks(axes: Axes, layers: int, label: str = 'exit layer') -> None:
    step = -(-layers // MOST_TICKS)
    axes.set_xticks(range(layers, 0, -step))
    axes.set_xticklabels([str(layer) for layer in range(layers, 0, -step)])
    axes.set_xlim(0.4, layers + 0.6)
    axes.set_xlabel(label)
