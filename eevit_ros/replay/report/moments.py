"""The report's pictures: moments to look at."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pandas as pd

from eevit_ros.replay.report.pictures import DEEPEST, DIFFERENT, SLOWEST, UNSURE, WRONG, pick
from eevit_ros.replay.report.tables import seconds_into
from eevit_ros.replay.results.correctness import Correctness
from eevit_ros.reporting.markup import clock_time, number, paragraph, percent, section, text

TITLES = {
    SLOWEST: 'Slowest',
    DEEPEST: 'Deepest, the least certain of them first',
    UNSURE: 'Least certain',
    WRONG: 'Wrong and most certain',
    DIFFERENT: 'Not as at full depth, and most certain',
}

Pictures = Mapping[tuple[str, int], bytes]


def moments(frames: pd.DataFrame, pictures: Pictures, correctness: Correctness) -> str:
    """Return the moments that `pick` chooses, each with its picture; '' if there are none."""
    parts = []
    for kind, rows in pick(frames).items():
        cards = '\n'.join(_card(frames, row, pictures, correctness) for row in rows)
        parts.append(f'<h3>{text(TITLES[kind])}</h3>\n<div class="film">\n{cards}\n</div>')
    if not parts:
        return ''
    words = 'At most eight of a kind, a second or more apart.'
    return section('Moments to look at', paragraph(words), *parts)


def _card(frames: pd.DataFrame, row: int, pictures: Pictures, correctness: Correctness) -> str:
    frame = frames.iloc[row]
    bag, index, label = str(frame['bag']), int(frame['index']), frame['label']
    picture = '<div class="none">no picture</div>'
    if (bag, index) in pictures:
        data = base64.b64encode(pictures[bag, index]).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{data}">'
    shade = 'right' if correctness.right[row] else 'wrong' if correctness.wrong[row] else ''
    others = ''
    if frame['truth'] not in ('', label):
        others += f'<i>is {text(frame["truth"])}</i>'
    if frame['reference'] not in ('', label):
        others += f'<i>at full depth {text(frame["reference"])}</i>'
    rate = number(frame['adaptive_rate'], '.2f')
    lines = (
        f'layer {number(frame["exit_layer"], ".0f")} · {percent(frame["confidence"])}',
        f'{number(frame["latency_ms"], ".1f", " ms")} · rate {rate}',
        f'at {clock_time(seconds_into(frames, row))}, frame {index}',
    )
    small = '<br>'.join(text(line) for line in lines)
    return (
        f'<figure class="{shade}">{picture}<figcaption><b>{text(label)}</b>{others}'
        f'<small class="source" title="{text(bag)}">{text(bag)}</small>'
        f'<small>{small}</small></figcaption></figure>'
    )
