"""The summary of a demo run, from its frame records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from demo.records import FrameRecord

THIRDS = ('full light', 'light fades', 'light is back')


def third_of(index: int, frames: int) -> int:
    """Return which third (0, 1, 2) of a recording of `frames` frames frame `index` is in."""
    return min(2, 3 * index // frames)


def summarise(
    records: Sequence[FrameRecord], *, played: int, layers: int, camera_hz: float
) -> dict[str, Any]:
    """Count and average.

    Args:
        records: Answered frames, at least one.
        played: Frames that the player published.
        layers: Layers of the model.
        camera_hz: Rate at which the player published them.

    Returns:
        What report.json holds under 'summary', without model and machine.
    """
    thirds = [[r for r in records if third_of(r.index, played) == t] for t in range(3)]
    dropped = max(r.drops for r in records)
    exits = sorted({r.exit_layer for r in records})
    return {
        'frames_played': played,
        'frames_answered': len(records),
        'frames_dropped': dropped,
        'frames_lost': max(0, played - len(records) - dropped),
        'camera_hz': round(camera_hz, 2),
        'layers': layers,
        'overall': _group(records),
        'thirds': [{'name': name, **_group(t)} for name, t in zip(THIRDS, thirds, strict=True)],
        'latency_ms': {
            'all': _spread([r.latency_ms for r in records]),
            'per_exit': {
                str(e): _spread([r.latency_ms for r in records if r.exit_layer == e]) for e in exits
            },
        },
        'age_ms': _spread([r.age_ms for r in records if r.age_ms is not None]),
    }


def _group(records: Sequence[FrameRecord]) -> dict[str, Any]:
    if not records:
        return {'frames': 0}
    rates = [r.adaptive_rate for r in records]
    return {
        'frames': len(records),
        'accuracy': _mean([r.right for r in records]),
        'confidence': _mean([r.confidence for r in records]),
        'mean_exit_layer': _mean([r.exit_layer for r in records]),
        'exit_histogram': {
            str(layer): n for layer, n in sorted(Counter(r.exit_layer for r in records).items())
        },
        'rate': {'min': round(min(rates), 4), 'mean': _mean(rates)},
    }


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def _spread(values: Sequence[float]) -> dict[str, float | int]:
    if not values:
        return {'count': 0}
    p50, p99 = np.percentile(values, (50, 99))
    return {'count': len(values), 'p50': round(float(p50), 2), 'p99': round(float(p99), 2)}
