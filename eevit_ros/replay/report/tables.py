"""The report's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from eevit_ros.replay.results.frame_table import ANSWERED, BAD, DROPPED, NOTES
from eevit_ros.reporting.page import Table, clock_time, number, percent

MOST_CLASSES = 30
MOST_SOURCES = 200
MOST_FAULTS = 30

Row = Mapping[str, Any]


def exit_table(exits: Sequence[Row]) -> Table:
    """Return the table of exits."""
    labelled = any(row['accuracy'] is not None for row in exits)
    head = ['left after layer', 'frames', 'share', *(['right'] if labelled else [])]
    head += ['latency p50, ms', 'latency p99, ms']
    rows = []
    for row in exits:
        cells: list[object] = [row['layer'], row['frames'], percent(row['share'])]
        cells += [percent(row['accuracy'])] if labelled else []
        rows.append([*cells, number(row['latency_p50_ms']), number(row['latency_p99_ms'])])
    words = 'Latency is preparing the frame and inference; age is from its stamp to the answer.'
    return Table('Exits', head, rows, [words])


def region_tables(exits: Sequence[Row]) -> list[Table]:
    """Return the table of the exits of regions; none where there are no regions."""
    if not exits:
        return []
    rows = [
        (row['layer'], row['regions'], percent(row['share']), percent(row['accuracy']))
        for row in exits
    ]
    words = 'All others tell of the hardest region of each frame, that which set its rate.'
    return [Table('Regions', ('left after layer', 'regions', 'share', 'right'), rows, [words])]


def class_tables(classes: Sequence[Row]) -> list[Table]:
    """Return the table of classes, the worst first; none where there is no class."""
    if not classes:
        return []
    labelled = any(row['accuracy'] is not None for row in classes)
    if labelled:
        chosen = sorted(classes, key=lambda row: (_or_one(row['accuracy']), -row['frames']))
        title, head = 'Classes, worst first', ['class', 'frames', 'right', 'most often taken for']
    else:
        chosen = sorted(classes, key=lambda row: -row['frames'])
        title, head = 'Answers, most frequent first', ['class', 'frames']
    rows = []
    for row in chosen[:MOST_CLASSES]:
        cells = [row['label'], row['frames']]
        cells += [percent(row['accuracy']), row['most_confused']] if labelled else []
        rows.append([*cells, number(row['exit_layer_mean'])])
    return [Table(title, [*head, 'mean exit layer'], rows, _more(len(classes) - MOST_CLASSES))]


def source_tables(sources: Sequence[Row]) -> list[Table]:
    """Return the table of recordings; none where there is only one recording."""
    if len(sources) < 2:
        return []
    words = _more(len(sources) - MOST_SOURCES)
    return [_parts('Recordings', 'recording', sources[:MOST_SOURCES], {}, words)]


def camera_tables(cameras: Sequence[Row]) -> list[Table]:
    """Return the table of cameras; none where there is only one."""
    if not cameras:
        return []
    ages = {'age_p50_ms': 'age p50, ms', 'age_p99_ms': 'age p99, ms'}
    words = 'The adaptive rate of a camera is its own; the robot gets the lowest of all.'
    return [_parts('Cameras', 'camera', cameras, ages, [words])]


def _parts(
    title: str, what: str, parts: Sequence[Row], more: Mapping[str, str], words: Sequence[str]
) -> Table:
    labelled = any(row['accuracy'] is not None for row in parts)
    head = [what, 'frames', 'answered', 'dropped', 'bad', *(['right'] if labelled else [])]
    rows = []
    for row in parts:
        cells = [row[name] for name in ('name', 'frames', 'answered', 'dropped', 'bad')]
        cells += [percent(row['accuracy'])] if labelled else []
        cells += [number(row[name]) for name in ('exit_layer_mean', *more)]
        rows.append([*cells, number(row['adaptive_rate_mean'], '.2f')])
    return Table(
        title, [*head, 'mean exit layer', *more.values(), 'mean adaptive rate'], rows, words
    )


def skipped_tables(frames: pd.DataFrame) -> list[Table]:
    """Return the table of dropped and bad frames, with a note on doubtful answers, if any."""
    status = np.asarray(frames['status'], np.object_)
    bags = np.asarray(frames['bag'], np.object_)
    notes = np.asarray(frames['notes'], np.object_)
    reasons = np.where(status == BAD, notes, '')
    out = pd.DataFrame(
        {'bag': bags, 'status': status, 'why': reasons, 'row': np.arange(len(frames))}
    )
    out = out[out['status'].isin([DROPPED, BAD])]
    groups = out.groupby(['bag', 'status', 'why'], sort=False)['row'].agg(['size', 'first'])
    groups = groups.sort_values('size', ascending=False, kind='stable')
    rows = []
    for (bag, what, why), (count, first) in zip(
        groups.index[:MOST_FAULTS], groups.to_numpy()[:MOST_FAULTS], strict=True
    ):
        if what == DROPPED:
            longest = _longest_run((status == DROPPED) & (bags == bag))
            why = f'a newer one came while the network was busy; {longest} in a row at most'
        at = f'{clock_time(seconds_into(frames, int(first)))} (frame {frames["index"].iloc[first]})'
        rows.append([bag, what, count, at, why])
    words = []
    if len(groups) > MOST_FAULTS:
        words.append(f'{len(groups) - MOST_FAULTS} more kinds are in frames.csv.')
    if noted := _noted(notes[status == ANSWERED]):
        words.append(f'Of the frames with an answer, {noted}.')
    head = ['recording', '', 'frames', 'first at', 'why'] if rows else []
    title = 'Dropped, bad and doubtful frames'
    return [Table(title, head, rows, words)] if rows or words else []


def saved_tables(saved: Row | None) -> list[Table]:
    """Return the table of the time that the rate saves, by place; none where it is not known."""
    if saved is None:
        return []
    rows = [
        [row['name'], row['things'], percent(row['missed']), percent(row['missed_at_constant'])]
        for row in saved['places'][:MOST_SOURCES]
    ]
    head = ['place', 'things', 'missed with the rate', 'missed at that constant speed']
    more = _more(len(saved['places']) - MOST_SOURCES)
    return [Table('Time saved', head, rows, [*saved_lines(saved), *more])]


def saved_lines(saved: Row | None) -> list[str]:
    """Return in words how much time the rate saves, and why that may tell little."""
    if saved is None:
        return ['time saved: unknown, because no answer has a truth: --truth']
    value, low, high = (100 * saved['saved'][end] for end in ('value', 'low', 'high'))
    return [
        f'time saved against a constant speed of the same risk in the worst place: {value:.0f} % '
        f'({low:.0f} to {high:.0f}); {saved["seconds"]:.0f} s in place of '
        f'{saved["constant_seconds"]:.0f} s, in simulation',
        *(f'doubtful: {doubt}' for doubt in saved['doubts']),
    ]


def conditions(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and value of each condition of a replay."""
    model, machine, sources = facts['model'], facts['machine'], facts['sources']
    thresholds = sorted({f'{value:.4g}' for value in model['thresholds']})
    shown = {
        'Model': f'{model["name"]}, {model["layers"]} layers with exits after '
        f'{", ".join(map(str, model["exit_layers"])) or "the last one only"}, '
        f'SHA-256 {model["sha256"][:16]}',
        'Thresholds': thresholds[0]
        if len(thresholds) == 1
        else ', '.join(f'{value:.4g}' for value in model['thresholds']) or 'none',
        'Runs on': f'{facts["provider"]}: {machine["cpu"]}, {machine["cores"]} cores',
        'System': f'{machine["system"]}, Python {machine["python"]}',
        'Clock': f'{facts["clock"]}, latency {facts["latency"]}',
        'Truth': facts['truth'] or 'none',
        'Reference': 'the answer at full depth' if facts['reference'] else 'none',
        'Unsure below': f'confidence {facts["min_confidence"]}, at any exit',
        'Parameters': ', '.join(f'{name} {value}' for name, value in facts['parameters'].items())
        or 'all defaults',
    }
    rows = list(shown.items())
    for source in sources[:MOST_SOURCES]:
        topic = f', topic {source["topic"]}' if source['topic'] else ''
        rows.append(('Recording', f'{source["path"]}{topic}'))
    return [*rows, *(('', more) for more in _more(len(sources) - MOST_SOURCES))]


def seconds_into(frames: pd.DataFrame, row: int) -> float:
    """Return how long after the first frame of its recording the frame in a row came."""
    times = frames['received_ns'].to_numpy(np.int64)
    same = np.asarray(frames['bag'] == frames['bag'].iloc[row], np.bool_)
    return float(times[row] - times[np.argmax(same)]) * 1e-9


def _more(count: int) -> list[str]:
    return [f'{count} more are in report.json.'] if count > 0 else []


def _or_one(share: float | None) -> float:
    return 1.0 if share is None else share


def _longest_run(mask: npt.NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return int((edges[1::2] - edges[::2]).max())


def _noted(notes: npt.NDArray[np.object_]) -> str:
    found, counts = np.unique(notes.astype(str), return_counts=True)
    totals = {
        name: sum(
            int(count) for words, count in zip(found, counts, strict=True) if name in words.split()
        )
        for name in NOTES
    }
    return ', '.join(f'{total} {name}' for name, total in totals.items() if total)
