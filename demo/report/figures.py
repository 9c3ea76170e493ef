"""The report's plots, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from demo.bag import BagFrame
from demo.records import FrameRecord
from eevit_ros.reporting.style import DARK, GRID, INK, MUTED, RATE, RIGHT, WRONG, quiet

Image = npt.NDArray[np.uint8]

THIRD_COLOURS = ('#f2b632', DARK, '#f7d27c')
THUMBNAIL = 96  # px


def thumbnail(frame: BagFrame) -> Image:
    """Return the central square that the model sees, small: uint8 (96, 96, 3) RGB."""
    image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # the player decoded it before
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    small = cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def scenes(bag: Sequence[BagFrame]) -> list[tuple[int, int]]:
    """Return [first, end) of each run of frames that show the same, at most a second long."""
    found: list[tuple[int, int]] = []
    first = 0
    for index in range(1, len(bag) + 1):
        if (
            index == len(bag)
            or bag[index].truth != bag[first].truth
            or bag[index].stamp_ns - bag[first].stamp_ns > 1_000_000_000
        ):
            found.append((first, index))
            first = index
    return found


def timeline(
    bag: Sequence[BagFrame],
    records: Sequence[FrameRecord],
    rates: Sequence[tuple[float, float]],
    summary: dict[str, Any],
) -> Figure:
    """Draw the story: what the camera saw, how deep the network went, how fast the robot may go.

    Args:
        bag: The frames that were played.
        records: The answers.
        rates: Seconds since the first frame, adaptive rate.
        summary: Figures of `demo.report.summary.summarise`.
    """
    layers = summary['layers']
    seconds = np.array([(f.stamp_ns - bag[0].stamp_ns) * 1e-9 for f in bag])
    end_s = float(seconds[-1]) + 1 / summary['camera_hz']
    figure = Figure(figsize=(12, 6.4), layout='constrained')
    grid = figure.add_gridspec(4, 1, height_ratios=(0.62, 0.55, 2.5, 1.7), hspace=0.02)
    strip, light, depth, rate = (figure.add_subplot(grid[row]) for row in range(4))

    _draw_strip(strip, bag, seconds, end_s)
    brightness = np.array([float(thumbnail(frame).mean()) / 255 for frame in bag])
    light.fill_between(seconds, brightness, color=THIRD_COLOURS[0], alpha=0.55, lw=0)
    light.set_ylim(0, 1)
    light.set_yticks([])
    light.set_ylabel('brightness', rotation=0, ha='right', va='center')

    times = seconds[[r.index for r in records]]
    exits = np.array([r.exit_layer for r in records])
    correct = np.array([r.right for r in records])
    for mask, colour, name in ((correct, RIGHT, 'right'), (~correct, WRONG, 'wrong')):
        depth.scatter(times[mask], exits[mask], s=13, color=colour, label=name, lw=0, zorder=3)
    depth.plot(times, _running_mean(exits, 15), color=INK, lw=1.6, label='mean of a second')
    depth.set_ylim(0.5, layers + 0.9)
    depth.set_yticks(sorted({1, layers, *exits.tolist()}))
    depth.set_ylabel('exit layer', rotation=0, ha='right', va='center')
    depth.legend(loc='lower left', ncol=3, frameon=False)
    depth.grid(axis='y', color=GRID, lw=0.8)

    if rates:
        at, value = zip(*rates, strict=True)
        rate.fill_between(at, value, step='post', color=RATE, alpha=0.18, lw=0)
        rate.step(at, value, where='post', color=RATE, lw=1.6)
    rate.set_ylim(0, 1.05)
    rate.set_yticks([0, 0.5, 1])
    rate.set_ylabel('adaptive\nrate', rotation=0, ha='right', va='center')
    rate.set_xlabel('seconds')
    rate.grid(axis='y', color=GRID, lw=0.8)

    for axes in (strip, light, depth, rate):
        axes.set_xlim(0, end_s)
        axes.tick_params(length=0)
        if axes is not rate:
            axes.set_xticklabels([])
    for axes in (depth, rate):
        axes.axvspan(end_s / 3, 2 * end_s / 3, color=DARK, alpha=0.07, lw=0)
    for number, third in enumerate(summary['thirds']):
        if third['frames']:
            depth.text(
                end_s * (number + 0.5) / 3,
                layers + 1.0,
                f'{third["name"]}: {100 * third["accuracy"]:.0f} % right, '
                f'mean layer {third["mean_exit_layer"]:.1f}',
                ha='center',
                va='bottom',
                fontsize=9,
                color=MUTED,
            )
    return figure


def exit_histogram(summary: dict[str, Any]) -> Figure:
    """Draw where frames left, coloured by light."""
    figure = Figure(figsize=(4.6, 3.1), layout='constrained')
    axes = figure.add_subplot()
    layers = range(1, summary['layers'] + 1)
    below = np.zeros(len(layers))
    for third, colour in zip(summary['thirds'], THIRD_COLOURS, strict=True):
        counts = np.array([third.get('exit_histogram', {}).get(str(n), 0) for n in layers])
        axes.bar(layers, counts, bottom=below, color=colour, width=0.78, label=third['name'])
        below += counts
    axes.set_title('Where frames left')
    axes.set_xlabel('exit layer')
    axes.set_ylabel('frames')
    axes.set_xticks(list(layers))
    axes.legend(frameon=False)
    quiet(axes)
    return figure


def latency_by_exit(records: Sequence[FrameRecord], layers: int) -> Figure:
    """Draw each frame's latency over its exit layer, with the medians."""
    figure = Figure(figsize=(4.6, 3.1), layout='constrained')
    axes = figure.add_subplot()
    exits = sorted({r.exit_layer for r in records})
    groups = [[r.latency_ms for r in records if r.exit_layer == e] for e in exits]
    spread = np.random.default_rng(0)
    for layer, group in zip(exits, groups, strict=True):
        x = layer + spread.uniform(-0.24, 0.24, len(group))
        axes.scatter(x, group, s=7, color=RATE, alpha=0.35, lw=0)
    medians = [float(np.median(group)) for group in groups]
    axes.plot(exits, medians, color=INK, lw=1.4, marker='o', ms=4, label='median')
    top = np.percentile([r.latency_ms for r in records], 99) * 1.3
    beyond = sum(r.latency_ms > top for r in records)
    axes.set_ylim(0, top)
    axes.set_xlim(0.4, layers + 0.6)
    axes.set_xticks(range(1, layers + 1))
    axes.set_title('Latency by exit')
    axes.set_xlabel('exit layer' + (f' ({beyond} slower, not shown)' if beyond else ''))
    axes.set_ylabel('ms')
    axes.legend(frameon=False, loc='upper left')
    quiet(axes)
    return figure


def accuracy_by_third(summary: dict[str, Any]) -> Figure:
    """Draw accuracy and mean confidence of each third."""
    figure = Figure(figsize=(4.6, 3.1), layout='constrained')
    axes = figure.add_subplot()
    for number, (third, colour) in enumerate(zip(summary['thirds'], THIRD_COLOURS, strict=True)):
        if not third['frames']:
            continue
        share = 100 * third['accuracy']
        axes.bar(number, share, color=colour, width=0.62)
        axes.text(number, share + 2, f'{share:.0f} %', ha='center', weight='bold')
        level = 100 * third['confidence']
        (line,) = axes.plot([number - 0.31, number + 0.31], [level, level], color=INK, ls='--')
        line.set_label('' if axes.get_legend_handles_labels()[0] else 'mean confidence')
    axes.set_title('Right answers by light')
    axes.set_xticks(range(3), [third['name'] for third in summary['thirds']])
    axes.set_ylim(0, 119)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_ylabel('%')
    axes.legend(frameon=False, loc='upper right')
    quiet(axes)
    return figure


def _draw_strip(
    axes: Axes, bag: Sequence[BagFrame], seconds: npt.NDArray[np.float64], end_s: float
) -> None:
    for first, end in scenes(bag):
        stop = seconds[end] if end < len(bag) else end_s
        middle = bag[(first + end - 1) // 2]
        axes.imshow(thumbnail(middle), extent=(seconds[first], stop, 0, 1), aspect='auto', zorder=2)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_ylabel('camera', rotation=0, ha='right', va='center')
    axes.spines[:].set_visible(False)


def _running_mean(values: npt.NDArray[np.int64], window: int) -> npt.NDArray[np.float64]:
    ones = np.ones(min(window, len(values)))
    return np.asarray(
        np.convolve(values, ones, 'same') / np.convolve(np.ones(len(values)), ones, 'same')
    )
