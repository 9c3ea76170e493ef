"""The main figure: how deep the network went, and how fast the robot might have gone, over time.

Up to `DOTS` frames are drawn one by one. More are drawn in bins, so that the figure stays small and
readable however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from eevit_ros.replay.report.series import BINS, WINDOW, bin_edges, binned, running_mean
from eevit_ros.replay.report.time_axis import Numbers, TimeAxis
from eevit_ros.replay.results.correctness import Correctness, Mask, mark_correct
from eevit_ros.replay.results.frame_table import BAD, DROPPED
from eevit_ros.reporting.style import DARK, GRID, INK, MUTED, RATE, RIGHT, WRONG

DOTS = 2000
MOST_NAMES = 60
TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the axes of shares
LETTERS = 165  # of a name that fit above the whole axis
UNITS = ((7200.0, 3600.0, 'hours'), (600.0, 60.0, 'minutes'), (0.0, 1.0, 'seconds'))

_TICKS = MaxNLocator(12, steps=[1, 2, 5, 10])
_FILL = LinearSegmentedColormap.from_list('depth', [(1, 1, 1, 0), '#bcd0f3', RATE])


def timeline(frames: pd.DataFrame, limits: pd.DataFrame, facts: Mapping[str, Any]) -> Figure:
    """Draw exits over time above speed limit and adaptive rate over time.

    Args:
        frames: A frame table.
        limits: Columns bag, time_ns, adaptive_rate, speed_limit_percent.
        facts: Facts of the replay; read are layers and exit layers of the model.
    """
    axis, correctness = TimeAxis(frames), mark_correct(frames)
    one_by_one = len(frames) <= DOTS and len(axis.stretches) <= MOST_NAMES
    panels: dict[str, float] = {'depth': 2.6}
    if correctness.against and not one_by_one:
        panels['wrong'] = 0.6
    skipped = np.asarray(frames['status'].isin([DROPPED, BAD]), np.bool_)
    if skipped.any():
        panels['skipped'] = 0.32 if one_by_one else 0.6
    panels['rate'] = 1.7
    figure = Figure(figsize=(12, 0.9 + sum(panels.values())), layout='constrained')
    grid = figure.add_gridspec(len(panels), 1, height_ratios=list(panels.values()), hspace=0.02)
    axes = {name: figure.add_subplot(grid[row]) for row, name in enumerate(panels)}

    _draw_depth(axes['depth'], frames, axis, correctness, facts, one_by_one)
    if 'wrong' in axes:
        known = correctness.right | correctness.wrong
        _draw_shares(axes['wrong'], axis, known, (correctness.wrong, WRONG))
        axes['wrong'].set_ylabel(
            'wrong' if correctness.against == 'truth' else 'not as at\nfull depth'
        )
    if 'skipped' in axes:
        _draw_skipped(axes['skipped'], frames, axis, one_by_one)
    _draw_rate(axes['rate'], frames, limits, axis)
    for one in axes.values():
        one.yaxis.label.set(rotation=0, ha='right', va='center')
    _draw_recordings(axes, axis)
    return figure


def _draw_depth(
    axes: Axes,
    frames: pd.DataFrame,
    axis: TimeAxis,
    correctness: Correctness,
    facts: Mapping[str, Any],
    one_by_one: bool,
) -> None:
    layers = int(facts['model']['layers'])
    exits = frames['exit_layer'].to_numpy(np.float64)
    if one_by_one:
        right, wrong = correctness.words
        for mask, colour, name in (
            (correctness.unknown, MUTED, 'no truth' if correctness.against else 'answer'),
            (correctness.right, RIGHT, right),
            (correctness.wrong, WRONG, wrong),
        ):
            if mask.any():
                _draw_dots(axes, axis.places[mask], exits[mask], axis.end, colour, name)
        x, mean = _mean_of_parts(axis, exits, correctness.answered)
        axes.plot(x, mean, color=INK, lw=1.4, label=f'mean of {WINDOW} answers', zorder=4)
    else:
        _draw_shares_of_layers(axes, axis, exits, correctness.answered, layers)
        bins = binned(axis.places[correctness.answered], exits[correctness.answered], axis.end)
        x, mean = _with_breaks(bins.middles, bins.mean, axis.breaks(axis.end / BINS, silences=True))
        axes.plot(x, mean, color=INK, lw=1.3, label='mean; the darker, the more frames')
    shown = sorted({*facts['model']['exit_layers'], layers})
    apart = max(1, layers / 14)
    ticks = [layers]
    for layer in reversed(shown):
        if ticks[-1] - layer >= apart:
            ticks.append(layer)
    axes.set_yticks(ticks)
    axes.set_ylim(0.3, layers + 0.7)
    axes.set_ylabel('exit layer')
    axes.grid(axis='y', color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    if correctness.answered.any():
        _legend(axes)


def _draw_shares_of_layers(
    axes: Axes, axis: TimeAxis, exits: Numbers, answered: Mask, layers: int
) -> None:
    counts, _, _ = np.histogram2d(
        exits[answered],
        axis.places[answered],
        bins=(np.arange(layers + 1) + 0.5, bin_edges(axis.end)),
    )
    shares = counts / np.maximum(counts.sum(axis=0), 1)
    axes.imshow(
        np.sqrt(shares),  # so that the few deep ones show
        extent=(0, axis.end, 0.5, layers + 0.5),
        origin='lower',
        aspect='auto',
        interpolation='nearest',
        cmap=_FILL,
        vmin=0,
        vmax=1,
    )


def _draw_shares(axes: Axes, axis: TimeAxis, among: Mask, *groups: tuple[Mask, str]) -> None:
    """Draw the share of each group in the frames of a bin; the first includes the others."""
    edges = bin_edges(axis.end)
    total, _ = np.histogram(axis.places[among], edges)
    highest = 0.0
    for mask, colour in groups:
        counts, _ = np.histogram(axis.places[mask], edges)
        shares = counts / np.maximum(total, 1)
        highest = max(highest, float(shares.max()))
        axes.stairs(shares, edges, fill=True, color=colour, lw=0)
    top = next(one for one in TOPS if one >= highest)
    axes.set_ylim(0, top)
    axes.set_yticks([0, top], ['0', f'{100 * top:.0f} %'])


def _draw_skipped(axes: Axes, frames: pd.DataFrame, axis: TimeAxis, one_by_one: bool) -> None:
    status = np.asarray(frames['status'], np.object_)
    dropped, bad = status == DROPPED, status == BAD
    if one_by_one:
        for mask, colour in ((dropped, DARK), (bad, WRONG)):
            _draw_vertical(axes, axis.places[mask], colour, lw=1)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
    else:
        everything = np.ones(len(frames), np.bool_)
        _draw_shares(axes, axis, everything, (dropped | bad, DARK), (bad, WRONG))
    counts = ((dropped.sum(), DROPPED), (bad.sum(), BAD))
    axes.set_ylabel('\n'.join(f'{count} {name}' for count, name in counts if count))


def _draw_rate(axes: Axes, frames: pd.DataFrame, limits: pd.DataFrame, axis: TimeAxis) -> None:
    places = axis.at(limits['bag'], limits['time_ns'].to_numpy(np.int64))
    known = np.isfinite(places)
    for column, scale, colour, name in (
        ('speed_limit_percent', 0.01, RATE, 'speed limit'),
        ('adaptive_rate', 1.0, INK, 'adaptive rate'),
    ):
        values = scale * limits[column].to_numpy(np.float64)
        filled = column == 'speed_limit_percent'
        width = 2.4 if filled else 0.9  # both show where they agree
        if known.sum() > BINS:
            bins = binned(places[known], values[known], axis.end)
            axes.fill_between(bins.middles, bins.low, bins.high, color=colour, alpha=0.18, lw=0)
            breaks = axis.breaks(axis.end / BINS, silences=False)
            x, y = _with_breaks(bins.middles, bins.mean, breaks)
            axes.plot(x, y, color=colour, lw=width, label=f'{name}, mean and range')
        elif known.any():
            x, y = _with_breaks(places[known], values[known], axis.breaks(0, silences=False))
            if filled:
                axes.fill_between(x, y, step='post', color=colour, alpha=0.16, lw=0)
            axes.step(x, y, where='post', color=colour, lw=width, label=name)
    if not known.any():
        rates = frames['adaptive_rate'].to_numpy(np.float64)
        axes.plot(axis.places, rates, '.', color=INK, ms=2, label='adaptive rate')
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0, 0.5, 1], ['0', '50 %', '100 %'])
    axes.set_ylabel('of full\nspeed')
    axes.grid(axis='y', color=GRID, lw=0.8)
    axes.set_axisbelow(True)
    _legend(axes)


def _draw_recordings(panels: Mapping[str, Axes], axis: TimeAxis) -> None:
    top, bottom = panels['depth'], panels['rate']
    silences = [silence for one in axis.stretches for silence in one.silences]
    silences.sort(key=lambda silence: -silence.seconds)
    for axes in panels.values():
        axes.set_xlim(0, axis.end or 1)
        axes.tick_params(length=0)
        if axes is not bottom:
            axes.set_xticklabels([])
        for silence in silences[:MOST_NAMES]:
            axes.axvspan(silence.start, silence.end, color=GRID, alpha=0.8, lw=0, zorder=1)
        if len(axis.stretches) <= MOST_NAMES:
            starts = np.array([one.places[0] for one in axis.stretches[1:]])
            _draw_vertical(axes, starts, DARK, lw=0.9, alpha=0.5)
    if len(axis.stretches) > 1:
        for one in axis.stretches:
            room = int(LETTERS * (one.end - one.places[0]) / axis.end)
            if room >= 4:
                name = one.name if len(one.name) <= room else one.name[: room - 1] + '…'
                middle = (one.places[0] + one.end) / 2
                place = (middle, 1.02)
                top.text(
                    *place, _plain(name), transform=top.get_xaxis_transform(), ha='center',
                    va='bottom', fontsize=8.5, color=MUTED,
                )  # fmt: skip
    per, unit = next((per, unit) for least, per, unit in UNITS if axis.end >= least)
    ticks = [tick for tick in _TICKS.tick_values(0, axis.end / per) if tick * per <= axis.end]
    bottom.set_xticks([tick * per for tick in ticks], [f'{tick:g}' for tick in ticks])
    words = [unit]
    if len(axis.stretches) > 1:
        words.append(f'{len(axis.stretches)} recordings one after the other')
    if silences:
        some = f', the {MOST_NAMES} longest times' if len(silences) > MOST_NAMES else ''
        words.append(f'grey: no frame came{some}{", shortened" if axis.shortened else ""}')
    bottom.set_xlabel('; '.join(words))


def _mean_of_parts(axis: TimeAxis, values: Numbers, mask: Mask) -> tuple[Numbers, Numbers]:
    """Return the running mean of the masked values, broken between parts."""
    breaks = np.flatnonzero(np.diff(axis.parts[mask])) + 1
    means = [running_mean(part) for part in np.split(values[mask], breaks)]
    x, mean = axis.places[mask], np.concatenate(means)
    return np.insert(x, breaks, np.nan), np.insert(mean, breaks, np.nan)


def _with_breaks(x: Numbers, y: Numbers, breaks: Sequence[float]) -> tuple[Numbers, Numbers]:
    """Return the points for one line that is broken at these places."""
    at = np.searchsorted(x, breaks)
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def _draw_dots(axes: Axes, x: Numbers, y: Numbers, end: float, colour: str, name: str) -> None:
    """Draw points as one path of short strokes: half the SVG of as many markers."""
    stops, half = np.full(len(x), np.nan), 1e-4 * end
    (line,) = axes.plot(
        np.column_stack([x - half, x + half, stops]).ravel(),
        np.column_stack([y, y, stops]).ravel(),
        color=colour,
        lw=3.6,
        solid_capstyle='round',
        zorder=3,
    )
    line.get_path().should_simplify = False
    line.set_snap(False)
    axes.plot([], [], 'o', color=colour, ms=3.6, mew=0, label=name)


def _draw_vertical(axes: Axes, x: Numbers, colour: str, **style: Any) -> None:
    """Draw lines from bottom to top as one path."""
    stops = np.full(len(x), np.nan)
    ends = np.column_stack([np.zeros_like(x), np.ones_like(x), stops]).ravel()
    places = np.column_stack([x, x, stops]).ravel()
    axes.plot(places, ends, color=colour, transform=axes.get_xaxis_transform(), **style)


def _legend(axes: Axes) -> None:
    axes.legend(loc='lower left', ncol=4, frameon=True, framealpha=0.8, edgecolor='none')


def _plain(text: str) -> str:
    return text.replace('$', r'\$')
