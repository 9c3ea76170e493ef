"""Writes report.json for tools, report.html for people, overview.png for a README."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from demo.bag import BagFrame
from demo.records import FrameRecord
from demo.report import figures
from demo.report.summary import third_of
from eevit_ros.reporting.page import Card, Table, render
from eevit_ros.reporting.style import to_png

TEMPLATE = Path(__file__).with_name('report.html.j2')


@dataclass(frozen=True)
class Run:
    """One run of the demo.

    Attributes:
        bag: Frames that were played.
        records: Answers in the order of the bag.
        rates: Seconds since the first frame and adaptive rate, as received.
        summary: Figures of `summarise`, and 'model', 'provider', 'machine'.
    """

    bag: Sequence[BagFrame]
    records: Sequence[FrameRecord]
    rates: Sequence[tuple[float, float]]
    summary: dict[str, Any]


def write_json(run: Run, path: Path) -> None:
    """Write the frames (`stamp` in seconds since the epoch) and the summary."""
    frames = [
        {
            'index': r.index,
            'stamp': r.stamp_ns * 1e-9,
            'label': r.label,
            'truth': r.truth,
            'confidence': r.confidence,
            'exit_layer': r.exit_layer,
            'adaptive_rate': r.adaptive_rate,
            'latency_ms': r.latency_ms,
            'age_ms': r.age_ms,
        }
        for r in run.records
    ]
    rates = [[round(t, 3), round(rate, 4)] for t, rate in run.rates]
    report = {'summary': run.summary, 'frames': frames, 'rate_over_time': rates}
    path.write_text(json.dumps(report, indent=1) + '\n')


def write_html(run: Run, path: Path, overview: Path) -> None:
    """Write the page, with everything it shows inside it, and its main figure as PNG."""
    story = figures.timeline(run.bag, run.records, run.rates, run.summary)
    to_png(story, overview)
    page = render(
        TEMPLATE,
        model=run.summary['model']['name'],
        story=_story(run.summary),
        headlines=_headlines(run.summary),
        timeline=story,
        plots=(
            figures.exit_histogram(run.summary),
            figures.latency_by_exit(run.records, run.summary['layers']),
            figures.accuracy_by_third(run.summary),
        ),
        film=_film(run),
        exits=_exit_table(run.summary),
        facts=_facts(run.summary),
    )
    path.write_text(page, 'utf-8')


def _story(summary: dict[str, Any]) -> str:
    layers, rates = (
        ', '.join(text(third) if third['frames'] else 'no answer' for third in summary['thirds'])
        for text in (
            lambda third: f'{third["mean_exit_layer"]:.1f}',
            lambda third: f'{third["rate"]["mean"]:.2f}',
        )
    )
    return (
        'A recorded camera ran through the real classifier node. In the middle third of the '
        f'recording the light fades and comes back. By thirds, the network needed {layers} of '
        f'{summary["layers"]} layers on average, and the mean adaptive rate was {rates}.'
    )


def _headlines(summary: dict[str, Any]) -> list[tuple[str, str]]:
    overall, layers, age = summary['overall'], summary['layers'], summary['age_ms']
    return [
        (f'{100 * overall["accuracy"]:.0f} %', 'of answers right'),
        (f'{overall["mean_exit_layer"]:.1f} of {layers}', 'layers run on average'),
        (f'{summary["latency_ms"]["all"]["p50"]:.0f} ms', 'median latency'),
        (f'{age["p50"]:.0f} ms' if age['count'] else '?', 'median age of an answer'),
        (f'{overall["rate"]["min"]:.2f}', 'lowest adaptive rate'),
        (
            f'{summary["frames_answered"]} / {summary["frames_played"]}',
            'frames answered',
        ),
    ]


def _film(run: Run) -> list[Card]:
    cards = []
    answers = {r.index: r for r in run.records}
    for first, end in figures.scenes(run.bag):
        middle = (first + end - 1) // 2
        near = sorted(range(first, end), key=lambda i: abs(i - middle))
        record = next((answers[i] for i in near if i in answers), None)
        picture = _jpeg(run.bag[middle if record is None else record.index])
        dark = 'dark' if third_of(middle, len(run.bag)) == 1 else ''
        if record is None:
            cards.append(Card(picture, small=('no answer',), classes=dark))
            continue
        cards.append(
            Card(
                picture,
                bold=(_name(record.label),),
                muted=() if record.right else (f'truth: {_name(record.truth)}',),
                small=(
                    f'layer {record.exit_layer} · {100 * record.confidence:.0f} %',
                    f'rate {record.adaptive_rate:.2f}',
                ),
                classes=f'{"right" if record.right else "wrong"} {dark}',
            )
        )
    return cards


def _jpeg(frame: BagFrame) -> bytes:
    small = cv2.cvtColor(figures.thumbnail(frame), cv2.COLOR_RGB2BGR)
    return cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _name(label: str) -> str:
    return label.replace('_', ' ')


def _exit_table(summary: dict[str, Any]) -> Table:
    rows = []
    for layer, count in summary['overall']['exit_histogram'].items():
        spread = summary['latency_ms']['per_exit'][layer]
        share = 100 * count / summary['frames_answered']
        rows.append(
            (layer, count, f'{share:.1f} %', f'{spread["p50"]:.1f}', f'{spread["p99"]:.1f}')
        )
    return Table(
        'Figures',
        ('left after layer', 'frames', 'share', 'latency p50, ms', 'latency p99, ms'),
        rows,
        [
            "Latency is preprocessing plus inference; age is the time from the camera's stamp to "
            'the answer.'
        ],
    )


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    machine, model, age = summary['machine'], summary['model'], summary['age_ms']
    facts = {
        'Model': f'{model["name"]}, {summary["layers"]} layers, SHA-256 {model["sha256"][:16]}',
        'Runs on': f'{summary["provider"]}: {machine["cpu"]}, {machine["cores"]} cores '
        f'(load {machine["load_before"]} before the run)',
        'System': f'{machine["system"]}, Python {machine["python"]}',
        'Camera': f'{summary["frames_played"]} frames at {summary["camera_hz"]:.1f} Hz, sent as '
        f'{summary["transport"]}',
        'Frames': f'{summary["frames_answered"]} answered, {summary["frames_dropped"]} dropped for '
        f'newer ones while the model was busy, {summary["frames_lost"]} lost in transport',
        'Age of answers': f'p50 {age["p50"]:.1f} ms, p99 {age["p99"]:.1f} ms'
        if age['count']
        else 'unknown: the clocks disagree',
    }
    return list(facts.items())
