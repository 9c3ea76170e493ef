"""The pictures of the study of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from eevit_ros.reporting.style import INK, MUTED, WRONG, quiet
from model_export.studies.heads.probes import Probe


def grid_figure(
    probes: Sequence[Probe], worth: Sequence[Probe], titles: Mapping[str, str], final: float
) -> Figure:
    """Draw accuracy as a table of colours: heads by layers, the practical exits circled."""
    kinds, layers = list(titles), sorted({probe.layer for probe in probes})
    values = np.zeros((len(kinds), len(layers)))
    for probe in probes:
        values[kinds.index(probe.head), layers.index(probe.layer)] = 100 * probe.accuracy
    figure = Figure(
        figsize=(1.7 + 0.5 * len(layers), 0.9 + 0.32 * len(kinds)), layout='constrained'
    )
    axes = figure.subplots()
    axes.imshow(values, cmap='Blues', aspect='auto', vmin=0, vmax=max(1.3 * values.max(), 1))
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f'{value:.0f}', ha='center', va='center', fontsize=8, color=INK)
    axes.scatter(
        [layers.index(probe.layer) for probe in worth],
        [kinds.index(probe.head) for probe in worth],
        s=260, facecolors='none', edgecolors=WRONG, linewidths=1.6,
    )  # fmt: skip
    axes.set_yticks(range(len(kinds)), [titles[kind] for kind in kinds])
    axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
    axes.set_xlabel('exit after layer')
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(f'Held-out accuracy, % (final classifier {100 * final:.0f}); circled: practical')
    return figure


def front_figure(
    probes: Sequence[Probe],
    worth: Sequence[Probe],
    titles: Mapping[str, str],
    full: int,
    final: float,
) -> Figure:
    """Draw accuracy over MACs: each kind of head in a colour, the practical exits circled."""
    figure = Figure(figsize=(7.4, 4), layout='constrained')
    axes = figure.subplots()
    colours, markers = matplotlib.colormaps['tab10'], 'os^vDP*Xph'
    for index, (kind, title) in enumerate(titles.items()):
        own = sorted((p for p in probes if p.head == kind), key=lambda probe: probe.macs)
        axes.plot(
            [100 * probe.macs / full for probe in own],
            [100 * probe.accuracy for probe in own],
            marker=markers[index % 10], ms=4, lw=0.6, color=colours(index % 10), label=title,
        )  # fmt: skip
    axes.scatter(
        [100 * probe.macs / full for probe in worth],
        [100 * probe.accuracy for probe in worth],
        s=90, facecolors='none', edgecolors=WRONG, linewidths=1.4, zorder=3, label='practical',
    )  # fmt: skip
    axes.axhline(100 * final, color=MUTED, lw=0.8, ls='--')
    axes.annotate(
        'final classifier',
        (0, 100 * final),
        (0.01, 100 * final),
        xycoords=('axes fraction', 'data'),
        textcoords=('axes fraction', 'data'),
        fontsize=7,
        color=MUTED,
        va='bottom',
    )
    axes.set_xlabel('MACs of layers and head, % of the backbone')
    axes.set_ylabel('held-out accuracy, %')
    quiet(axes)
    axes.legend(fontsize=7, frameon=False, loc='center left', bbox_to_anchor=(1, 0.5))
    return figure
