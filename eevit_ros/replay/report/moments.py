"""The report's pictures: moments to look at."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from eevit_ros.replay.report.pictures import DEEPEST, DIFFERENT, SLOWEST, UNSURE, WRONG, pick
from eevit_ros.replay.report.tables import seconds_into
from eevit_ros.replay.results.correctness import Correctness
from eevit_ros.reporting.page import Card, clock_time, number, percent

TITLES = {
    SLOWEST: 'Slowest',
    DEEPEST: 'Deepest, the least certain of them first',
    UNSURE: 'Least certain',
    WRONG: 'Wrong and most certain',
    DIFFERENT: 'Not as at full depth, and most certain',
}

Pictures = Mapping[tuple[str, int], bytes]


def moments(
    frames: pd.DataFrame, pictures: Pictures, correctness: Correctness
) -> list[tuple[str, list[Card]]]:
    """Return title and cards of each kind of moment that `pick` chooses."""
    return [
        (TITLES[kind], [_card(frames, row, pictures, correctness) for row in rows])
        for kind, rows in pick(frames).items()
    ]


def _card(frames: pd.DataFrame, row: int, pictures: Pictures, correctness: Correctness) -> Card:
    frame = frames.iloc[row]
    bag, index, label = str(frame['bag']), int(frame['index']), frame['label']
    others = []
    if frame['truth'] not in ('', label):
        others.append(f'is {frame["truth"]}')
    if frame['reference'] not in ('', label):
        others.append(f'at full depth {frame["reference"]}')
    rate = number(frame['adaptive_rate'], '.2f')
    return Card(
        pictures.get((bag, index)),
        bold=(label,),
        muted=others,
        small=(
            f'layer {number(frame["exit_layer"], ".0f")} · {percent(frame["confidence"])}',
            f'{number(frame["latency_ms"], ".1f", " ms")} · rate {rate}',
            f'at {clock_time(seconds_into(frames, row))}, frame {index}',
        ),
        classes='right' if correctness.right[row] else 'wrong' if correctness.wrong[row] else '',
        source=f'{bag}, {frame["camera"]}' if frame['camera'] else bag,
    )
