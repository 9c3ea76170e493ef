"""Made-up replays: frame tables, limits, summaries and facts, for tests of what is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eevit_ros.replay.results.frame_table import (
    ANSWERED,
    BAD,
    DROPPED,
    FrameRow,
    frame_writer,
    read_frames,
)

START_NS = 1_700_000_000_000_000_000
LAYERS = 12
EXITS = (4, 6, 8, 10)


def frame_row(index: int, **cells: Any) -> FrameRow:
    """Return an answered frame of a camera of 15 Hz; `cells` overwrite its own."""
    arrived = START_NS + index * 1_000_000_000 // 15
    row = FrameRow(
        bag='run_1',
        index=index,
        stamp_ns=arrived - 2_000_000,
        received_ns=arrived,
        status=ANSWERED,
        label='cat',
        confidence=0.9,
        exit_layer=6,
        depth=0.5,
        macs=1000,
        adaptive_rate=0.8,
        speed_limit_percent=80.0,
        latency_ms=20.0,
        age_ms=22.0,
    )
    return replace(row, **cells)


def unanswered(row: FrameRow, status: str, notes: str = '') -> FrameRow:
    """Return the frame dropped or bad: with the cells that such a one has."""
    return FrameRow(
        row.bag,
        row.index,
        row.stamp_ns,
        row.received_ns,
        status,
        truth=row.truth,
        place=row.place,
        notes=notes,
    )


def drive(
    count: int, *, bag: str = 'run_1', truth: bool = True, reference: bool = False, seed: int = 0
) -> list[FrameRow]:
    """Return a drive through easy and hard places, with some frames dropped and bad."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        hard = 0.5 - 0.5 * math.cos(4 * math.pi * index / max(count, 2))
        layer = int(np.clip(4 + 2 * round(4 * hard + rng.normal(0, 0.9)), 4, 12))
        name = f'class {index * 12 // count}'
        answer = name if rng.random() > 0.08 + 0.4 * hard**2 else f'class {int(rng.integers(12))}'
        rate = 1 - 0.7 * hard
        row = frame_row(
            index,
            bag=bag,
            label=answer,
            truth=name if truth else '',
            reference=(name if rng.random() > 0.1 else 'class 3') if reference else '',
            confidence=float(np.clip(0.95 - 0.4 * hard + rng.normal(0, 0.08), 0.05, 0.999)),
            exit_layer=layer,
            depth=layer / LAYERS,
            adaptive_rate=rate,
            speed_limit_percent=100 * rate,
            latency_ms=3.0 * layer + float(rng.gamma(2, 1.5)),
            age_ms=3.0 * layer + 5,
        )
        draw = rng.random()
        if draw < 0.05:
            row = unanswered(row, DROPPED)
        elif draw < 0.06:
            row = unanswered(row, BAD, 'image of 0x0 pixels (width x height): correct the driver')
        rows.append(row)
    return rows


def table(path: Path, rows: Iterable[FrameRow]) -> pd.DataFrame:
    """Return the rows as a replay writes them and reads them again."""
    with frame_writer(path / 'frames.csv') as writer:
        for row in rows:
            writer.write(row)
    frames = read_frames(path / 'frames.csv')
    assert isinstance(frames, pd.DataFrame)
    return frames


def limits_of(rows: Sequence[FrameRow], *, hz: int = 10) -> pd.DataFrame:
    """Return what the timers said while these frames came."""
    found = []
    for bag in dict.fromkeys(row.bag for row in rows):
        of_bag = [row for row in rows if row.bag == bag]
        first, last = of_bag[0].received_ns, of_bag[-1].received_ns
        times = np.arange(first, last + 1, 1_000_000_000 // hz)
        known = [row for row in of_bag if row.adaptive_rate is not None]
        at = [row.received_ns for row in known]
        rates = np.interp(times, at, [row.adaptive_rate for row in known]) if known else 0 * times
        found.append(
            pd.DataFrame(
                {
                    'bag': bag,
                    'time_ns': times,
                    'adaptive_rate': rates,
                    'speed_limit_percent': 100 * rates,
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def facts(**changes: Any) -> dict[str, Any]:
    """Return under which conditions it was replayed."""
    return {
        'model': {
            'name': 'a model',
            'sha256': '0123456789abcdef' * 4,
            'layers': LAYERS,
            'exit_layers': list(EXITS),
            'thresholds': [0.8] * len(EXITS),
            'backbone_macs': 12000,
        },
        'provider': 'cpu',
        'clock': 'as-fast-as-possible',
        'latency': 'measured',
        'parameters': {'top_k': 3, 'rate.attack_s': 0.15},
        'truth': 'folder names',
        'reference': False,
        'machine': {'cpu': 'a CPU', 'cores': 2, 'system': 'a system', 'python': '3.11'},
        'sources': [{'name': 'run_1', 'path': 'bags/run_1', 'topic': '/camera', 'frames': None}],
        'min_confidence': 0.3,
    } | changes
