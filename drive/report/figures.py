"""The report's plots, drawn by matplotlib in the common style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drive.policy import AT_FLOOR, CONSTANT, FULL, OURS, POLICIES
from drive.robot import FLOOR, TOP_SPEED_MPS
from drive.scene.camera import frame_noise, photograph
from drive.scene.pictures import read_pictures
from drive.scene.world import DARKNESS, LENGTH_M, SIGHT_M, World
from eevit_ros.reporting.style import DARK, GRID, MUTED, RATE, RIGHT, WRONG, quiet

COLOURS = {FULL: '#d6455d', AT_FLOOR: '#6b7785', OURS: RATE, CONSTANT: '#e39b1f'}
ZONE_COLOURS = ('#f2b632', '#8793a6', DARK)
STRIP_M = 1.0  # of path to each picture in the strip


def story(world: World, runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw one path: what the camera saw, how deep the network went, how fast the robot drove.

    Args:
        world: The path.
        runs: One run for each policy, all of this path.
    """
    figure = Figure(figsize=(12, 7.4), layout='constrained')
    ratios = (0.55, 1.9, 1.9, 1.0)
    grid = figure.add_gridspec(4, 1, height_ratios=ratios, hspace=0.02)
    strip, depth, speed, signs = (figure.add_subplot(grid[row]) for row in range(4))
    _draw_strip(strip, world, runs[OURS]['frames'])
    _draw_depth(depth, runs[OURS]['frames'])
    _draw_speed(speed, runs)
    _draw_signs(signs, world, runs)
    places = np.linspace(0, LENGTH_M, 600)
    light = np.array([world.darkness(place) for place in places])
    for axes in (depth, speed, signs):
        low, high = axes.get_ylim()
        axes.imshow(
            light[np.newaxis], extent=(0, LENGTH_M, low, high), aspect='auto', cmap='Greys',
            vmin=0, vmax=2.6, zorder=0, interpolation='bilinear',
        )  # fmt: skip
    for axes in (strip, depth, speed, signs):
        axes.set_xlim(0, LENGTH_M)
        axes.tick_params(length=0)
        if axes is not signs:
            axes.set_xticklabels([])
    signs.set_xlabel('metres along the path; darker is less light')
    return figure


def misses(comparison: Mapping[str, Any]) -> Figure:
    """Draw the share of missed signs of each policy over the time that it took."""
    figure = Figure(figsize=(5.6, 3.5), layout='constrained')
    axes = figure.add_subplot()
    for row in comparison['policies']:
        share = row['missed_share']
        value, colour = 100 * share['value'], COLOURS[row['policy']]
        reach = [[value - 100 * share['low']], [100 * share['high'] - value]]
        axes.errorbar(row['seconds'], value, reach, fmt='o', ms=8, color=colour, capsize=4, lw=1.6)
        axes.annotate(
            row['policy'], (row['seconds'], value), (9, 5), textcoords='offset points',
            color=colour, weight='bold',
        )  # fmt: skip
    axes.set_title('Missed signs over travel time')
    axes.set_xlabel('seconds a path')
    axes.set_ylabel('% missed, with 95 % interval')
    axes.set_ylim(bottom=0)
    axes.margins(x=0.16)
    quiet(axes)
    return figure


def misses_by_light(comparison: Mapping[str, Any]) -> Figure:
    """Draw the share of missed signs by policy and light."""
    figure = Figure(figsize=(5.6, 3.5), layout='constrained')
    axes = figure.add_subplot()
    width = 0.26
    for number, (zone, colour) in enumerate(zip(DARKNESS, ZONE_COLOURS, strict=True)):
        for place, row in enumerate(comparison['policies']):
            counts = row['zones'][zone]
            share = 100 * counts['missed'] / counts['signs']
            x = place + (number - 1) * width
            label = zone if place == 0 else None
            axes.bar(x, share, width=0.92 * width, color=colour, label=label)
            axes.text(x, share + 1.5, f'{share:.0f}', ha='center', fontsize=7.5, color=MUTED)
    axes.set_title('Missed signs by light')
    axes.set_xticks(range(len(POLICIES)), [row['policy'] for row in comparison['policies']])
    axes.set_ylim(0, 112)
    axes.set_ylabel('% missed')
    axes.legend(frameon=False, ncol=3, loc='upper right')
    quiet(axes)
    return figure


def differences(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw, path by path, how many signs ours and the same time at constant speed missed."""
    figure = Figure(figsize=(11.6, 2.6), layout='constrained')
    axes = figure.add_subplot()
    seeds = [run['seed'] for run in runs[OURS]]
    for offset, policy in zip((-0.3, -0.1, 0.1, 0.3), POLICIES, strict=True):
        counts = [sum(s['read_m'] is None for s in run['signs']) for run in runs[policy]]
        places = np.arange(len(seeds)) + offset
        axes.bar(places, counts, width=0.18, color=COLOURS[policy], label=policy)
    axes.set_title('Missed signs, path by path')
    axes.set_xticks(range(len(seeds)), [f'seed {seed}' for seed in seeds])
    axes.set_ylabel(f'of {len(runs[OURS][0]["signs"])}')
    axes.legend(frameon=False, ncol=4, loc='lower right', bbox_to_anchor=(1, 1))
    quiet(axes)
    return figure


def _draw_strip(axes: Axes, world: World, frames: Sequence[Mapping[str, Any]]) -> None:
    pictures = read_pictures()
    for left in np.arange(0, LENGTH_M, STRIP_M):
        frame = min(frames, key=lambda f: abs(f['place_m'] - left - STRIP_M / 2))
        noise = frame_noise(world.seed, frame['place_m'], frame['number'])
        view = world.view(frame['place_m'])
        image = photograph(pictures[view.picture].pixels, view, noise)
        axes.imshow(image, extent=(left, left + STRIP_M, 0, 1), aspect='auto', zorder=2)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_ylabel('camera', rotation=0, ha='right', va='center')
    axes.spines[:].set_visible(False)


def _draw_depth(axes: Axes, frames: Sequence[Mapping[str, Any]]) -> None:
    place = np.array([f['place_m'] for f in frames])
    depth = np.array([f['depth'] for f in frames])
    right = np.array([f['right'] for f in frames])
    of_sign = np.array([f['sign'] is not None for f in frames])
    axes.scatter(place[~of_sign], depth[~of_sign], s=7, color=MUTED, lw=0, label='scenery')
    for mask, colour, name in ((right, RIGHT, 'sign, right'), (~right, WRONG, 'sign, wrong')):
        chosen = mask & of_sign
        axes.scatter(place[chosen], depth[chosen], s=15, color=colour, lw=0, label=name, zorder=3)
    axes.set_ylim(0.25, 1.14)
    axes.set_yticks([1 / 3, 0.5, 0.75, 1], ['1/3', '1/2', '3/4', '1'])
    axes.set_ylabel('depth of\nanswers\n(ours)', rotation=0, ha='right', va='center')
    axes.legend(loc='upper right', ncol=3, frameon=False, borderaxespad=0.1)
    axes.grid(axis='y', color=GRID, lw=0.8)


def _draw_speed(axes: Axes, runs: Mapping[str, Mapping[str, Any]]) -> None:
    track = np.array(runs[OURS]['track'])
    axes.step(
        track[:, 1], TOP_SPEED_MPS * track[:, 3] / 100, where='post', color=RATE, alpha=0.4, lw=1,
        label='speed limit',
    )  # fmt: skip
    axes.plot(track[:, 1], track[:, 2], color=RATE, lw=2, label='ours')
    for policy, speed in (
        (FULL, TOP_SPEED_MPS),
        (CONSTANT, runs[CONSTANT]['speed_mps']),
        (AT_FLOOR, FLOOR * TOP_SPEED_MPS),
    ):
        axes.axhline(speed, color=COLOURS[policy], lw=1.3, ls='--', label=policy)
    axes.set_ylim(0, TOP_SPEED_MPS * 1.22)
    axes.set_ylabel('speed\nm/s', rotation=0, ha='right', va='center')
    axes.legend(loc='upper right', ncol=5, frameon=False, borderaxespad=0.1)
    axes.grid(axis='y', color=GRID, lw=0.8)


def _draw_signs(axes: Axes, world: World, runs: Mapping[str, Mapping[str, Any]]) -> None:
    for row, policy in enumerate(POLICIES):
        for sign in runs[policy]['signs']:
            place, read = sign['place_m'], sign['read_m']
            axes.plot([place - SIGHT_M, place], [row, row], color=GRID, lw=5, zorder=2)
            if read is None:
                axes.plot(place, row, 'X', color=WRONG, ms=8, mew=0, zorder=3)
            else:
                axes.plot([place - read, place], [row, row], color=RIGHT, lw=5, zorder=3)
    axes.set_ylim(len(POLICIES) - 0.4, -0.6)
    axes.set_yticks(range(len(POLICIES)), POLICIES)
    axes.set_ylabel('signs', rotation=0, ha='right', va='center')
