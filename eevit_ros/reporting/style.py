"""Style of all figures: colours and fonts, and how they are saved."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = '#1c2733', '#6b7785', '#e6eaee'
RIGHT, WRONG, RATE, DARK = '#1f9d6b', '#d6455d', '#2f6fde', '#33415c'

matplotlib.rcParams.update(
    {
        'font.family': 'sans-serif',
        'font.sans-serif': ['DejaVu Sans'],
        'font.size': 9,
        'text.color': INK,
        'axes.edgecolor': GRID,
        'axes.labelcolor': MUTED,
        'axes.titlesize': 10,
        'axes.titleweight': 'bold',
        'axes.titlelocation': 'left',
        'xtick.color': MUTED,
        'ytick.color': MUTED,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'svg.fonttype': 'path',
        'svg.hashsalt': 'eevit_ros',
    }
)


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG markup for a page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format='svg', metadata={'Date': None})
    return buffer.getvalue()[buffer.getvalue().index('<svg') :]


def to_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(path, dpi=110)


def quiet(axes: Axes) -> None:
    """Remove the ticks and draw horizontal lines behind the data."""
    axes.tick_params(length=0)
    axes.grid(axis='y', color=GRID, lw=0.8)
    axes.set_axisbelow(True)
