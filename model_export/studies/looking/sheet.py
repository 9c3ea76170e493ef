"""Sheets of small images with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eevit_ros.images.resize import Image
from eevit_ros.reporting.style import INK, MUTED

SIDE = 32  # pixels of an image on a sheet
LEVELS = 24  # of a colour: fewer make a smaller file, and the eye does not miss them


@dataclass(frozen=True)
class Tile:
    """One image of a sheet, what stands below it in which colour, and whether it has a frame."""

    image: Image
    caption: str = ''
    colour: str = INK
    framed: bool = False


def thumbnail(image: Image) -> Image:
    """Shrink an image uint8 (H, W, 3) for a sheet, with few colours."""
    small = np.asarray(image)
    if max(small.shape[:2]) > SIDE:
        small = np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    step = 256 // LEVELS
    return np.asarray(np.minimum(small // step * step + step // 2, 255), np.uint8)


def overlay(image: Image, heat: npt.NDArray[np.float32]) -> Image:
    """Lay a map over a grey image, from blue (0) to red (its largest value).

    Args:
        image: uint8 (H, W, 3).
        heat: float32 (grid, grid), at least 0; a map of zeros is shown as blue.

    Returns:
        uint8 (h, w, 3), of at most `SIDE` pixels.
    """
    small = thumbnail(image)
    height, width = small.shape[:2]
    scaled = heat / max(float(heat.max()), 1e-12)
    wide = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_LINEAR)
    level = 25 + np.round(np.clip(wide, 0, 1) * 15) * 15  # below 25 the colours are almost black
    colour = cv2.cvtColor(
        cv2.applyColorMap(level.astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
    )
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None]
    return thumbnail(np.asarray(0.55 * grey + 0.45 * colour, np.uint8))


def sheet(
    rows: Sequence[Sequence[Tile | None]],
    columns: Sequence[str],
    sides: Sequence[str],
    *,
    caption_lines: int = 2,
    cell: float = 64 / 110,
    side_width: float = 0.85,
) -> Figure:
    """Draw tiles in rows, with a heading above each column and a text beside each row.

    Args:
        rows: Tiles; None leaves a gap.
        columns: A heading for each column, or ''.
        sides: A text for each row.
        caption_lines: The room below each tile.
        cell: Side of a tile, inches.
        side_width: Room for the texts beside the rows, inches.
    """
    pitch = cell + 6 / 110
    text = 0.1 * caption_lines + 0.08
    width = side_width + pitch * len(columns) + 0.1
    height = 0.3 + (cell + text) * len(rows) + 0.05
    figure = Figure(figsize=(width, height))
    for r, row in enumerate(rows):
        top = height - 0.3 - r * (cell + text)
        figure.text(
            0.06 / width, (top - cell / 2) / height, sides[r], fontsize=7, color=INK, va='center'
        )
        for c, tile in enumerate(row):
            left = side_width + c * pitch
            if r == 0:
                figure.text(
                    (left + cell / 2) / width,
                    (height - 0.24) / height,
                    columns[c],
                    fontsize=7,
                    color=MUTED,
                    ha='center',
                )
            if tile is not None:
                box = (left / width, (top - cell) / height, cell / width, cell / height)
                _draw(figure.add_axes(box), tile)
    return figure


def _draw(axes: Axes, tile: Tile) -> None:
    axes.imshow(tile.image, interpolation='nearest')
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(tile.framed)
        spine.set_edgecolor(tile.colour)
        spine.set_linewidth(2)
    axes.set_xlabel(tile.caption, fontsize=5.5, color=tile.colour, labelpad=2.5, linespacing=1)
