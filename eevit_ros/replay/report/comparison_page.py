"""Writes comparison.html for people, comparison.json and comparison.csv for tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.report.pictures import reopen, thumbnails
from eevit_ros.replay.report.series import binned
from eevit_ros.replay.results.comparison import BLOCK_S, Comparison, shown
from eevit_ros.replay.results.result import Result
from eevit_ros.reporting.page import Card, Table, clock_time, number, percent, render
from eevit_ros.reporting.style import DARK, MUTED, RATE, quiet

TEMPLATE = Path(__file__).with_name('comparison.html.j2')
MOST = 24  # disagreements shown
APART_NS = 1_000_000_000

METRICS = (
    ('accuracy', '.2%'),
    ('agreement', '.2%'),
    ('confidence_mean', '.3f'),
    ('exit_layer_mean', '.2f'),
    ('final_exit_share', '.1%'),
    ('speedup_macs', '.2f'),
    ('latency_p50_ms', '.1f'),
    ('latency_p99_ms', '.1f'),
    ('age_p99_ms', '.1f'),
    ('dropped', 'd'),
    ('adaptive_rate_mean', '.3f'),
    ('adaptive_rate_min', '.3f'),
    ('speed_limit_mean_percent', '.1f'),
)


def write_comparison(
    folder: Path,
    comparison: Comparison,
    a: Result,
    b: Result,
    *,
    options: ReplayOptions,
) -> Path:
    """Write all files into `folder`; return the page.

    Args:
        folder: Folder with both results in its sub-folders a and b.
        comparison: Comparison of the two results.
        a: Result A.
        b: Result B.
        options: Those of A; the recordings are read once more for pictures.
    """
    data = json.dumps(comparison.to_json(), indent=1, allow_nan=False)
    (folder / 'comparison.json').write_text(data + '\n', 'utf-8')
    comparison.table.to_csv(folder / 'comparison.csv', index=False)
    rows = _disagreements(comparison.table)
    wanted = {(str(row['bag']), int(row['index'])) for row in rows}
    pictures = thumbnails(reopen(a.facts, options), wanted)
    page = render(
        TEMPLATE,
        intro=f'{comparison.frames} frames answered by both, {comparison.only_a} by A alone, '
        f'{comparison.only_b} by B alone. A dropped or unreadable frame has no answer.',
        problems=list(dict.fromkeys(a.problems + b.problems)),
        tables=[_sides(a, b), _differences(comparison)],
        timeline=_timeline(comparison.table),
        most=MOST,
        cards=[_card(comparison.table, row, pictures) for row in rows],
    )
    path = folder / 'comparison.html'
    path.write_text(page, 'utf-8')
    return path


def _sides(a: Result, b: Result) -> Table:
    rows = [('model', *(f'{side.facts["model"]["name"]}, {side.facts["model"]["sha256"][:16]}'
                        for side in (a, b)))]  # fmt: skip
    rows.append(('parameters', *(_parameters(side.facts) for side in (a, b))))
    for name, form in METRICS:
        values = [side.summary['metrics'][name] for side in (a, b)]
        if any(value is not None for value in values):
            rows.append((name, *(number(value, form) for value in values)))
    return Table('The two', ('', 'A', 'B'), rows)


def _parameters(facts: Mapping[str, Any]) -> str:
    given = facts['parameters']
    return ', '.join(f'{name} {value}' for name, value in given.items()) or 'defaults'


def _differences(comparison: Comparison) -> Table:
    a, b = comparison.wrong_distance
    rows = [
        ('frames with different labels', percent(comparison.different)),
        (f'share of {comparison.measured}, B less A', shown(comparison.accuracy, '+.2%')),
        ('latency, A by B (above 1: B is faster)', shown(comparison.latency, '.3f')),
        ('multiply-accumulates, A by B', shown(comparison.macs, '.3f')),
        ('speed limit, B less A, percent of full speed', shown(comparison.speed_limit, '+.1f')),
        ('distance driven on wrong answers, A and B', f'{percent(a)} and {percent(b)}'),
    ]
    note = (
        f'In brackets: intervals of 95 %, a bootstrap over {comparison.blocks} blocks of '
        f'{BLOCK_S:g} s, because neighbouring frames are alike. The distance is hypothetical: at '
        'another speed the robot would have seen other pictures. Measured latencies were taken one '
        'after the other: on a busy computer trust the multiply-accumulates.'
    )
    return Table('What differs', ('', ''), rows, [note])


def _timeline(rows: pd.DataFrame) -> Figure:
    """Draw exit layer and speed limit of both, recordings one after the other."""
    figure = Figure(figsize=(12, 4.6), layout='constrained')
    step_ns = rows.groupby('bag', sort=False)['received_ns_a'].diff().fillna(0).to_numpy(float)
    seconds = np.cumsum(np.clip(step_ns, 0, None)) * 1e-9
    end_s = max(float(seconds[-1]), 1e-3)
    above, below = figure.subplots(2, 1, sharex=True)
    for side, colour in (('a', DARK), ('b', RATE)):
        for axes, column in ((above, 'exit_layer'), (below, 'speed_limit_percent')):
            drawn = binned(seconds, rows[f'{column}_{side}'].to_numpy(float), end_s)
            known = np.isfinite(drawn.mean)
            axes.plot(
                drawn.middles[known], drawn.mean[known], color=colour, lw=1.3, label=side.upper()
            )
    above.set_ylabel('exit layer')
    below.set_ylabel('speed limit, %')
    below.set_ylim(0, 105)
    below.set_xlabel('seconds', color=MUTED)
    above.legend(frameon=False, ncol=2, loc='upper right')
    for axes in (above, below):
        quiet(axes)
        axes.set_xlim(0, end_s)
    return figure


def _disagreements(rows: pd.DataFrame) -> list[pd.Series[Any]]:
    differing = rows[rows['differs']]
    surest = differing[['confidence_a', 'confidence_b']].max(axis=1)
    chosen: list[pd.Series[Any]] = []
    for place in surest.sort_values(ascending=False, kind='stable').index:
        row = differing.loc[place]
        near = any(
            one['bag'] == row['bag'] and abs(one['received_ns_a'] - row['received_ns_a']) < APART_NS
            for one in chosen
        )
        if not near:
            chosen.append(row)
        if len(chosen) == MOST:
            break
    return chosen


def _card(
    rows: pd.DataFrame, row: pd.Series[Any], pictures: Mapping[tuple[str, int], bytes]
) -> Card:
    first_ns = rows.loc[rows['bag'] == row['bag'], 'received_ns_a'].iloc[0]
    lines = [
        f'{side.upper()}: {row[f"label_{side}"]}, layer {row[f"exit_layer_{side}"]:.0f}, '
        f'{percent(row[f"confidence_{side}"])}'
        for side in ('a', 'b')
    ]
    at = f'{row["bag"]} at {clock_time((row["received_ns_a"] - first_ns) * 1e-9)}'
    return Card(
        pictures[str(row['bag']), int(row['index'])],
        bold=lines,
        muted=[f'is {row["truth_a"]}'] if row['truth_a'] else [],
        small=[f'{at}, frame {row["index"]}'],
    )
