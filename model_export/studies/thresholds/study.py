"""The whole trade-off of one threshold common to all exits, beside the file's own and fixed exits.

All exits' probabilities are computed once; every threshold after that is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies import build_policy
from eevit_ros.policies.operating_point import OperatingPoint, measure_exits, operating_point
from eevit_ros.policies.threshold_search import CANDIDATES, exits_taken
from eevit_ros.reporting import style
from model_export.measuring.answers import answers
from model_export.studies.fixed_exits import FixedExit, draw_trade_off, fixed_exits
from model_export.studies.latency.study import exit_times
from model_export.studies.registry import StudyInputs
from model_export.studies.report import Study, Table, model_facts

ROUNDS = 20
LISTED = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)

TEXT = """\
One pass at full depth over {images} test images gives the probabilities of every exit. The tables
apply one threshold to all exits, from 0.3 to 0.99, with the file's own measure ({policy}). The
file's thresholds ({own})
were chosen on held-out training images, none on these. The test set shows the trade-off and decides
nothing.

Speed-up by layers counts layers alone. Speed-up by MACs compares with the plain backbone and counts
all heads that ran, rejected ones included. Speed-up by time compares mean CPU milliseconds on one
thread with those of the same backbone without heads: every exit forced, {rounds} rounds, as in the
study `latency`. A fixed exit runs only its own head.

With its own thresholds the file gets {accuracy:.2%} right at {macs:.2f}x fewer MACs; full depth
gets {final:.2%} right. {against}
"""


def study(inputs: StudyInputs) -> Study:
    """Run the study."""
    assert inputs.model is not None and inputs.data is not None
    found = answers(inputs.model, inputs.data, 'test', inputs.limit, inputs.cache)
    meta = found.metadata
    measures = measure_exits(build_policy(meta.policy, meta.accuracy), found.probabilities)

    def apply(thresholds: tuple[float, ...] | float) -> OperatingPoint:
        vector = np.full(len(meta.exit_layers), thresholds, np.float32)
        return operating_point(
            measures.answer == found.labels,
            exits_taken(measures.measure, vector),
            meta.answer_layers,
            meta.macs,
            meta.backbone_macs,
        )

    times, _ = exit_times(inputs.model, ROUNDS)
    with_heads, bare = np.median(times, axis=0)

    def speedup_time(result: OperatingPoint) -> float:
        return float(bare[-1] / (np.array(result.share) @ with_heads))

    own = apply(meta.default_thresholds)
    common = {float(value): apply(float(value)) for value in CANDIDATES}
    fixed = fixed_exits(meta, found.right.mean(axis=1))
    return Study(
        'thresholds',
        'Thresholds',
        TEXT.format(
            images=len(found.labels),
            policy=meta.policy,
            rounds=ROUNDS,
            own=', '.join(f'{value:g}' for value in meta.default_thresholds),
            accuracy=own.accuracy,
            macs=own.speedup_macs,
            final=fixed[-1].score,
            against=_against(own, fixed, meta),
        ),
        (_trade_off(own, common, speedup_time), _fixed(fixed), _shares(own, common, meta)),
        {'trade-off': _draw_trade_off(own, common, fixed), 'exits': _draw_exits(common, meta)},
        model_facts(inputs.model),
    )


def _against(own: OperatingPoint, fixed: list[FixedExit], meta: ModelMetadata) -> str:
    """Compare with the best fixed exit among those that cost as many MACs or fewer."""
    within = [one for one in fixed if one.speedup >= own.speedup_macs]
    if not within:
        return 'No fixed exit is as cheap.'
    layer, accuracy, speedup = max(within, key=lambda one: one.score)
    return (
        f'The best fixed exit that costs no more is the one after layer {layer} of {meta.layers}: '
        f'{accuracy:.2%} at {speedup:.2f}x.'
    )


def _trade_off(
    own: OperatingPoint,
    common: dict[float, OperatingPoint],
    speedup_time: Callable[[OperatingPoint], float],
) -> Table:
    rows: list[tuple[str | float, ...]] = []
    for name, one in (
        ("the file's own", own),
        *((f'{value:.2f}', common[value]) for value in LISTED),
    ):
        speedups = (one.speedup_layers, one.speedup_macs, speedup_time(one))
        rows.append((name, one.accuracy, *speedups))
    return Table(
        'trade_off',
        'Thresholds',
        ('threshold', 'accuracy, %', 'layer speed-up', 'MAC speed-up', 'time speed-up'),
        tuple(rows),
    )


def _fixed(fixed: list[FixedExit]) -> Table:
    return Table(
        'fixed',
        'Every image leaves at one exit',
        ('after layer', 'accuracy, %', 'MAC speed-up'),
        tuple(fixed),
    )


def _shares(own: OperatingPoint, common: dict[float, OperatingPoint], meta: ModelMetadata) -> Table:
    rows: list[tuple[str | float, ...]] = [("the file's own", *own.share)]
    rows += [(f'{value:.2f}', *common[value].share) for value in LISTED]
    return Table(
        'shares',
        'Share of the images that leave after each layer, %',
        ('threshold', *(f'{layer}, %' for layer in meta.answer_layers)),
        tuple(rows),
    )


def _draw_trade_off(
    own: OperatingPoint, common: dict[float, OperatingPoint], fixed: list[FixedExit]
) -> Figure:
    figure = draw_trade_off(
        [(one.speedup_macs, 100 * one.accuracy) for one in common.values()],
        [one._replace(score=100 * one.score) for one in fixed],
        (own.speedup_macs, 100 * own.accuracy),
        thresholds='threshold',
        score='accuracy, %',
        legend='lower left',
        label_at=(-3, -11),
    )
    for value in (0.5, 0.7, 0.9, 0.99):
        at = (common[value].speedup_macs, 100 * common[value].accuracy)
        figure.axes[0].plot(*at, '.', color=style.RATE)
        figure.axes[0].annotate(
            f'{value:g}', at, xytext=(4, 4), textcoords='offset points', color=style.RATE
        )
    return figure


def _draw_exits(common: dict[float, OperatingPoint], meta: ModelMetadata) -> Figure:
    figure = Figure(figsize=(7, 3.2), layout='constrained')
    axes = figure.subplots()
    shares: npt.NDArray[np.float64] = 100 * np.array([one.share for one in common.values()]).T
    depth = np.linspace(0.25, 1.0, len(shares))
    axes.stackplot(
        list(common),
        shares,
        labels=[f'layer {layer}' for layer in meta.answer_layers],
        colors=[(0.18, 0.44, 0.87, float(alpha)) for alpha in depth],
        edgecolor='white',
        linewidth=0.4,
    )
    axes.set(
        xlabel='threshold common to all exits',
        ylabel='images, %',
        title='Where images leave',
        xlim=(CANDIDATES[0], CANDIDATES[-1]),
        ylim=(0, 100),
    )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1], labels[::-1], frameon=False, loc='center left', bbox_to_anchor=(1, 0.5)
    )
    style.quiet(axes)
    return figure
