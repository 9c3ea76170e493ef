"""The pictures of the class-wise study."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from eevit_ros.reporting.style import GRID, INK, MUTED, RATE, RIGHT, WRONG, quiet
from model_export.data import Images
from model_export.measuring.answers import Answers, Leaving
from model_export.studies.classes.superclasses import Groups
from model_export.studies.looking.sheet import Tile, sheet, thumbnail

EACH = 4  # images of a class that left earliest, and as many that left latest

Counts = npt.NDArray[np.int64]


def confusion_figure(confusion: Counts, groups: Groups, *, named: bool) -> Figure:
    """Draw heat maps of wrong answers, by class and, if `named`, by group.

    Args:
        confusion: int64 (C, C), truth by answer.
        groups: Groups of the C classes.
        named: Whether the groups are superclasses, between which confusion is worth showing.
    """
    order = np.argsort(groups.of, kind='stable')
    wrong = confusion * (1 - np.eye(len(confusion), dtype=np.int64))
    figure = Figure(figsize=(10.4, 4.6) if named else (5, 4.6), layout='constrained')
    axes = figure.subplots(1, 2 if named else 1, squeeze=False)[0]
    _heat(axes[0], wrong[np.ix_(order, order)], 'classes')
    edges = np.flatnonzero(np.diff(groups.of[order])) + 0.5
    for edge in edges:
        axes[0].axhline(edge, color=GRID, lw=0.4)
        axes[0].axvline(edge, color=GRID, lw=0.4)
    if named:
        member = np.eye(len(groups.names), dtype=np.int64)[groups.of]  # (C, G)
        between = member.T @ wrong @ member
        _heat(axes[1], between, 'superclasses')
        places = range(len(groups.names))
        numbered = [f'{_words(name)} {place + 1}' for place, name in enumerate(groups.names)]
        axes[1].set_xticks(places, [str(place + 1) for place in places], fontsize=6)
        axes[1].set_yticks(places, numbered, fontsize=6)
    return figure


def depth_figure(
    depth: npt.NDArray[np.float64], accuracy: npt.NDArray[np.float64], names: tuple[str, ...]
) -> Figure:
    """Draw each class as a point: the mean layer it leaves after, and its accuracy."""
    figure = Figure(figsize=(6, 3.8), layout='constrained')
    axes = figure.subplots()
    axes.scatter(depth, 100 * accuracy, s=14, color=RATE, alpha=0.7, lw=0)
    ends = {int(np.argmin(depth)), int(np.argmax(depth)), *map(int, np.argsort(accuracy)[:4])}
    middle = np.median(depth)
    for c in ends:
        right = depth[c] < middle
        axes.annotate(
            _words(names[c]),
            (depth[c], 100 * accuracy[c]),
            (4, 7) if right else (-5, 0),
            textcoords='offset points',
            fontsize=7,
            color=MUTED,
            va='center',
            ha='left' if right else 'right',
        )
    axes.set_xlabel('mean layer after which images of the class leave')
    axes.set_ylabel('accuracy, %')
    axes.set_title('Each class: how late it leaves, how often it is right')
    quiet(axes)
    return figure


def exits_figure(share: npt.NDArray[np.float64], groups: Groups, layers: tuple[int, ...]) -> Figure:
    """Draw stacked bars: by group, the share (G, E + 1) of its images that leave at each exit."""
    order = np.argsort(share @ np.array(layers))[::-1]
    figure = Figure(figsize=(7, 0.9 + 0.21 * len(order)), layout='constrained')
    axes = figure.subplots()
    # Early is light, late is dark.
    colours = [(0.93 - 0.8 * t, 0.95 - 0.75 * t, 0.98 - 0.6 * t) for t in _ramp(len(layers))]
    start = np.zeros(len(order))
    for index, layer in enumerate(layers):
        part = 100 * share[order, index]
        axes.barh(
            [_words(groups.names[g]) for g in order],
            part,
            left=start,
            color=colours[index],
            label=f'{layer}',
            height=0.8,
        )
        start += part
    axes.set_xlim(0, 100)
    axes.set_xlabel('share of images, %')
    axes.tick_params(length=0, labelsize=7)
    axes.legend(
        title='left after layer', ncols=len(layers), fontsize=7, title_fontsize=7, frameon=False,
        loc='lower left', bbox_to_anchor=(0, 1), handlelength=1, columnspacing=1,
    )  # fmt: skip
    return figure


def samples_figure(found: Answers, left: Leaving, images: Images, classes: list[int]) -> Figure:
    """Draw, for each of `classes`, the images that left earliest and those that left latest.

    Ties by confidence: the surest of the earliest, the least sure of the latest.
    """
    names = found.metadata.class_names
    rows = []
    for c in classes:
        members = np.flatnonzero(found.labels == c)
        members = members[np.lexsort((-left.confidence[members], left.layer[members]))]
        chosen = [*members[:EACH], *members[max(EACH, len(members) - EACH) :]]
        tiles: list[Tile | None] = []
        for i in chosen:
            caption = f'layer {left.layer[i]}\n' + _words(names[left.answer[i]])[:13]
            colour = RIGHT if left.right[i] else WRONG
            tiles.append(Tile(thumbnail(images[i]), caption, colour))
        tiles += [None] * (2 * EACH - len(tiles))
        rows.append([*tiles[:EACH], None, *tiles[EACH:]])
    columns = ['earliest', *[''] * EACH, 'latest', *[''] * (EACH - 1)]
    return sheet(rows, columns, [_words(names[c]) for c in classes])


def _heat(axes: Axes, counts: Counts, what: str) -> None:
    shown = axes.imshow(counts, cmap='Reds', norm=PowerNorm(0.5), interpolation='nearest')
    axes.set_title(f'Wrong answers, {what}', color=INK)
    axes.set_xlabel('answer')
    axes.set_ylabel('truth')
    axes.set_xticks([])
    axes.set_yticks([])
    axes.figure.colorbar(shown, ax=axes, shrink=0.7).outline.set_visible(False)


def _words(name: str) -> str:
    return name.replace('_', ' ')


def _ramp(count: int) -> list[float]:
    return [index / max(1, count - 1) for index in range(count)]
