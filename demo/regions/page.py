"""The report of regions: pictures with their boxes, and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure

from demo.regions.bag import RegionFrame
from demo.regions.records import PictureRecord
from eevit_ros.reporting.page import Table, percent, render
from eevit_ros.reporting.style import GRID, INK, RATE, RIGHT, WRONG, quiet, to_png

TEMPLATE = Path(__file__).with_name('report.html.j2')
SHOWN = 8
GREEN, RED, GREY, WHITE = (107, 157, 31), (93, 69, 214), (150, 150, 150), (255, 255, 255)  # BGR


@dataclass(frozen=True)
class RegionRun:
    """One run.

    Attributes:
        frames: Pictures that were played.
        records: Answers in their order.
        rates: Seconds since the first picture and adaptive rate, as received.
        summary: Figures of `demo.regions.run.summarise`, and 'model', 'provider', 'machine'.
    """

    frames: Sequence[RegionFrame]
    records: Sequence[PictureRecord]
    rates: Sequence[tuple[float, float]]
    summary: dict[str, Any]


def write_page(run: RegionRun, folder: Path) -> Path:
    """Write regions.json for tools, regions.html for people and regions.png; return the page."""
    data = {'summary': run.summary, 'pictures': [asdict(record) for record in run.records]}
    (folder / 'regions.json').write_text(json.dumps(data, indent=1) + '\n')
    shown = [run.records[len(run.records) * i // SHOWN] for i in range(SHOWN)]
    shown = list(dict.fromkeys(shown))
    pictures = [draw(run.frames[record.index], record) for record in shown]
    story = timeline(run)
    to_png(story, folder / 'regions.png')
    summary, machine, model = run.summary, run.summary['machine'], run.summary['model']
    page = folder / 'regions.html'
    page.write_text(
        render(
            TEMPLATE,
            model=model['name'],
            headlines=[
                (percent(summary['accuracy']), 'of things right'),
                (
                    f'{summary["mean_exit_layer"]:.1f} of {summary["layers"]}',
                    'layers run on average',
                ),
                (f'{summary["latency_ms"]:.0f} ms', 'median time for a picture'),
                (f'{summary["rate"]["min"]:.2f}', 'lowest adaptive rate'),
                (f'{summary["regions_answered"]} / {summary["regions"]}', 'things classified'),
                (
                    f'{summary["pictures_answered"]} / {summary["pictures_played"]}',
                    'pictures answered',
                ),
            ],
            pictures=pictures,
            timeline=story,
            exits=Table(
                'Exits',
                ('left after layer', 'things', 'right'),
                [
                    (layer, count, percent(summary['accuracy_by_exit'][layer]))
                    for layer, count in summary['exit_histogram'].items()
                ],
            ),
            facts=[
                (
                    'Model',
                    f'{model["name"]}, {summary["layers"]} layers, SHA-256 {model["sha256"][:16]}',
                ),
                (
                    'Runs on',
                    f'{summary["provider"]}: {machine["cpu"]}, {machine["cores"]} cores '
                    f'(load {machine["load_before"]} before the run)',
                ),
            ],
        ),
        'utf-8',
    )
    return page


def draw(frame: RegionFrame, record: PictureRecord) -> bytes:
    """Return a picture as JPEG, with the answers in its boxes: green right, red wrong."""
    image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # the player decoded it before
    for one in record.regions:
        colour = GREY if not one.exit_layer else GREEN if one.right else RED
        left, top = round(one.x - one.side / 2), round(one.y - one.side / 2)
        right, bottom = round(one.x + one.side / 2), round(one.y + one.side / 2)
        cv2.rectangle(image, (left, top), (right, bottom), colour, 2)
        words = [f'{one.label} {one.exit_layer}' if one.exit_layer else 'not asked']
        words += [] if one.right else [f'not {one.truth}']
        for line, text in enumerate(words):
            y = bottom + 17 + 19 * line
            (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
            cv2.rectangle(image, (left, y - 15), (left + width + 8, y + 4), colour, -1)
            at = (left + 4, y)
            cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)
    return bytes(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1])


def timeline(run: RegionRun) -> Figure:
    """Draw where each thing left, and what rate the hardest of each picture led to."""
    layers, first_ns = run.summary['layers'], run.records[0].stamp_ns
    figure = Figure(figsize=(12, 5), layout='constrained')
    depth, rate = figure.subplots(2, 1, height_ratios=(2, 1))
    for right, colour, name in ((True, RIGHT, 'right'), (False, WRONG, 'wrong')):
        found = [
            ((record.stamp_ns - first_ns) * 1e-9 + 0.02 * place, one.exit_layer)
            for record in run.records
            for place, one in enumerate(record.regions)
            if one.exit_layer and one.right == right
        ]
        at, exits = zip(*found, strict=True) if found else ((), ())
        depth.scatter(at, exits, s=12, color=colour, label=name, lw=0, alpha=0.8)
    times = [(record.stamp_ns - first_ns) * 1e-9 for record in run.records]
    hardest = [max(one.exit_layer for one in record.regions) for record in run.records]
    depth.step(times, hardest, where='post', color=INK, lw=0.9, label='hardest of the picture')
    depth.set_ylim(0.5, layers + 0.9)
    depth.set_ylabel('exit layer')
    depth.legend(loc='lower left', ncol=3, frameon=False)
    if run.rates:
        at, value = zip(*run.rates, strict=True)
        rate.step(at, value, where='post', color=RATE, lw=1.6)
    rate.set_ylim(0, 1.05)
    rate.set_ylabel('adaptive rate')
    rate.set_xlabel('seconds')
    rate.grid(axis='y', color=GRID, lw=0.8)
    quiet(depth)
    rate.tick_params(length=0)
    for axes in (depth, rate):
        axes.set_xlim(0, times[-1] + 1)
    return figure
