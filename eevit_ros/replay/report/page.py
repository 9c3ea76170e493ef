"""Writes report.json for tools and report.html, one file with everything in it, for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.report import figures
from eevit_ros.replay.report.moments import moments
from eevit_ros.replay.report.pictures import reopen, thumbnails, wanted
from eevit_ros.replay.report.tables import (
    camera_tables,
    class_tables,
    conditions,
    exit_table,
    region_tables,
    saved_tables,
    skipped_tables,
    source_tables,
)
from eevit_ros.replay.report.timeline import timeline
from eevit_ros.replay.results.correctness import Correctness, mark_correct
from eevit_ros.replay.results.result import Result
from eevit_ros.reporting.page import clock_time, number, percent, render

TEMPLATE = Path(__file__).with_name('report.html.j2')

CLOCKS = {
    'as-fast-as-possible': (
        'As fast as possible: every readable frame was answered and nothing dropped, so ages are '
        'those of a computer that always keeps up.'
    ),
    'real-time': (
        'Real time: what a live node would have dropped while its network was busy is dropped, '
        'and ages are those of such a live run.'
    ),
}


def write_report(folder: Path, result: Result, options: ReplayOptions) -> Path:
    """Write report.json and report.html, and return the path of the latter.

    Args:
        folder: Folder to write into.
        result: Result of a replay.
        options: Those of the replay; the recordings are read once more for pictures.
    """
    write_json(folder, result)
    pictures = thumbnails(reopen(result.facts, options), wanted(result.frames))
    return write_page(folder, result, pictures)


def write_json(folder: Path, result: Result) -> Path:
    """Write report.json, with null for NaN and infinity, and return its path."""
    path = folder / 'report.json'
    report = {
        'summary': result.summary,
        'facts': result.facts,
        'problems': result.problems,
    }
    written = json.dumps(_plain(report), indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(written + '\n', 'utf-8')
    return path


def write_page(folder: Path, result: Result, pictures: Mapping[tuple[str, int], bytes]) -> Path:
    """Write report.html and return its path.

    Args:
        folder: Folder to write into.
        result: Result of a replay; it may have no frames.
        pictures: JPEG files by recording and index, of the moments that `pictures.pick` chooses.
    """
    frames, summary, facts = result.frames, result.summary, result.facts
    correctness = mark_correct(frames)
    page = render(
        TEMPLATE,
        title=_title(summary),
        intro=_intro(summary, facts),
        clock=_clock(facts),
        problems=result.problems,
        headlines=_headlines(summary['metrics'], facts),
        timeline=timeline(frames, result.limits, facts) if len(frames) else None,
        plots=_plots(frames, facts, correctness),
        moments=moments(frames, pictures, correctness),
        tables=[
            exit_table(summary['exits']),
            *region_tables(summary.get('regions', ())),
            *class_tables(summary['classes']),
            *source_tables(summary['sources']),
            *camera_tables(summary['cameras']),
            *saved_tables(summary['time_saved']),
            *skipped_tables(frames),
        ],
        facts=conditions(facts),
    )
    path = folder / 'report.html'
    path.write_text(page, 'utf-8')
    return path


def _title(summary: Mapping[str, Any]) -> str:
    names = [source['name'] for source in summary['sources']]
    return names[0] if len(names) == 1 else f'{len(names)} recordings'


def _intro(summary: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    metrics = summary['metrics']
    return (
        f'{_title(summary)}, {clock_time(metrics["seconds"] or 0)} long, replayed without a robot '
        f'through {facts["model"]["name"]}: {metrics["answered"]} of {metrics["frames"]} frames '
        'answered.'
    )


def _clock(facts: Mapping[str, Any]) -> str:
    measured = facts['latency'] == 'measured'
    latency = 'measured on this computer' if measured else facts['latency']
    return f'{CLOCKS[facts["clock"]]} Latency: {latency}.'


def _headlines(metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    cards = []
    if metrics['accuracy'] is not None:
        cards.append((percent(metrics['accuracy']), f'of {metrics["labelled"]} answers right'))
    if metrics['agreement'] is not None:
        cards.append((percent(metrics['agreement']), 'of answers as at full depth'))
    layers = facts['model']['layers']
    p50, p99 = number(metrics['latency_p50_ms'], '.0f'), number(metrics['latency_p99_ms'], '.0f')
    lowest = number(metrics['speed_limit_min_percent'], '.0f', ' %')
    cards += [
        (f'{number(metrics["exit_layer_mean"])} of {layers}', 'layers run on average'),
        (f'{p50} / {p99} ms', 'latency, median / p99'),
        (number(metrics['age_p99_ms'], '.0f', ' ms'), 'age of an answer, p99'),
        (
            number(metrics['adaptive_rate_min'], '.2f'),
            f'lowest adaptive rate; lowest limit {lowest}',
        ),
        (str(metrics['dropped']), f'of {metrics["frames"]} frames dropped; {metrics["bad"]} bad'),
    ]
    return cards


def _plots(
    frames: pd.DataFrame, facts: Mapping[str, Any], correctness: Correctness
) -> list[Figure]:
    if not correctness.answered.any():
        return []
    drawn = [figures.exit_histogram(frames, facts), figures.latency_by_exit(frames, facts)]
    if correctness.against:
        drawn.append(figures.accuracy_by_exit(frames, facts))
    drawn.append(figures.confidence_histogram(frames))
    return drawn


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
