"""Many marks drawn as one path, which takes half the SVG of as many markers or lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from eevit_ros.replay.report.time_axis import Numbers


def dots(axes: Axes, x: Numbers, y: Numbers, end: float, colour: str, name: str) -> None:
    """Draw points, on an axis from 0 to `end`, and name them in the legend."""
    # Short strokes with round ends.
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


def vertical(axes: Axes, x: Numbers, colour: str, **style: Any) -> None:
    """Draw lines from bottom to top."""
    stops = np.full(len(x), np.nan)
    ends = np.column_stack([np.zeros_like(x), np.ones_like(x), stops]).ravel()
    places = np.column_stack([x, x, stops]).ravel()
    axes.plot(places, ends, color=colour, transform=axes.get_xaxis_transform(), **style)
