"""Fixed exits, where every image leaves at the same one: what early exit must beat.

The studies `thresholds` and `counting` share this table row and this picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from matplotlib.figure import Figure

from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.reporting import style
from model_export.network.macs import macs_alone
from model_export.regression.model_file import RegressionMetadata


class FixedExit(NamedTuple):
    """One exit for all images: its layer, its accuracy or error, and its MAC speed-up."""

    layer: int
    score: float
    speedup: float


def fixed_exits(
    meta: ModelMetadata | RegressionMetadata, scores: Sequence[float]
) -> list[FixedExit]:
    """Return each exit alone, given E + 1 scores; the last is the plain backbone."""
    alone = macs_alone(meta.macs, meta.head_macs)
    return [
        FixedExit(layer, float(score), meta.backbone_macs / macs)
        for layer, score, macs in zip(meta.answer_layers, scores, alone, strict=True)
    ]


def draw_trade_off(
    curve: Sequence[tuple[float, float]],
    fixed: Sequence[FixedExit],
    own: tuple[float, float],
    *,
    thresholds: str,
    score: str,
    legend: Literal['upper left', 'lower left'],
    label_at: tuple[int, int],
) -> Figure:
    """Draw a score over MAC speed-ups: of common thresholds, of fixed exits, of the file's own.

    Args:
        curve: Speed-up and score of each common threshold.
        fixed: Fixed exits, their scores in the unit of the axis.
        own: Speed-up and score of the file's own thresholds.
        thresholds: What the file calls them: 'threshold' or 'tolerance'.
        score: Label of the axis.
        legend: Place of the legend.
        label_at: Offset of the layer number beside a fixed exit, points.
    """
    figure = Figure(figsize=(7, 3.6), layout='constrained')
    axes = figure.subplots()
    axes.plot(*zip(*curve, strict=True), color=style.RATE, label=f'one {thresholds} for all exits')
    axes.plot(
        [one.speedup for one in fixed],
        [one.score for one in fixed],
        's--', color=style.MUTED, ms=4, lw=0.8, label='one fixed exit (after layer ...)',
    )  # fmt: skip
    for one in fixed:
        axes.annotate(
            str(one.layer),
            (one.speedup, one.score),
            xytext=label_at,
            textcoords='offset points',
            color=style.MUTED,
        )
    axes.plot(*own, '*', color=style.WRONG, ms=11, label=f"the file's own {thresholds}s")
    axes.set(xlabel='fewer MACs, times', ylabel=score, title='Test set')
    axes.legend(frameon=False, loc=legend)
    style.quiet(axes)
    return figure
