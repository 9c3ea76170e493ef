"""The figures of a replay, from its frame table alone.

The summary of many recordings is that of their concatenated rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from eevit_ros.replay.results.frame_table import ANSWERED, BAD, COLUMNS, DROPPED, LIMIT_COLUMNS
from eevit_ros.replay.results.region_table import REGION_COLUMNS
from eevit_ros.replay.results.time_saved import TimeSaved


def metric_names() -> list[str]:
    """Return the names of all metrics."""
    frames = pd.DataFrame({name: pd.Series(dtype='object') for name in COLUMNS})
    limits = pd.DataFrame({name: pd.Series(dtype='float64') for name in LIMIT_COLUMNS})
    model = {'layers': 1, 'exit_layers': (), 'backbone_macs': 1}
    regions = pd.DataFrame({name: pd.Series(dtype='object') for name in REGION_COLUMNS})
    return list(summarise(frames, limits, {'model': model}, regions=regions)['metrics'])


def summarise(
    frames: pd.DataFrame,
    limits: pd.DataFrame,
    facts: dict[str, Any],
    saved: TimeSaved | None = None,
    regions: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Count and average.

    Args:
        frames: Frame table, see `frame_table.read_frames`.
        limits: Columns bag, time_ns, adaptive_rate, speed_limit_percent.
        facts: Facts of the run; 'model' holds layers, exits and MACs of the backbone.
        saved: What the rate law saves; None where that is not known.
        regions: Table of the regions, see `region_table`; None where frames were asked whole.

    Returns:
        'metrics', one number (or None) each; 'exits', 'classes', 'sources', 'cameras' (if there are
        several) and 'regions' (if there are any, by exit), a row each; 'time_saved' (or None).
    """
    answered = frames[frames['status'] == ANSWERED].copy()
    answered['right'] = _right(answered, 'truth')
    answered['agrees'] = _right(answered, 'reference')
    model = facts['model']
    layers = (*model['exit_layers'], model['layers'])
    metrics: dict[str, float | int | None] = {
        'frames': len(frames),
        'answered': len(answered),
        'dropped': int((frames['status'] == DROPPED).sum()),
        'bad': int((frames['status'] == BAD).sum()),
        'labelled': int(answered['right'].notna().sum()),
        'accuracy': _mean(answered['right']),
        'agreement': _mean(answered['agrees']),
        'confidence_mean': _mean(answered['confidence']),
        'exit_layer_mean': _mean(answered['exit_layer']),
        'final_exit_share': _mean(answered['exit_layer'] == model['layers']),
        'unsure_share': _mean(_noted(answered, 'unsure')),
        'blind': int(_noted(answered, 'blind').sum()),
        'frozen': int(_noted(answered, 'frozen').sum()),
        'shifted': int(_noted(answered, 'shifted').sum()),
        'latency_p50_ms': _percentile(answered['latency_ms'], 50),
        'latency_p99_ms': _percentile(answered['latency_ms'], 99),
        'latency_max_ms': _percentile(answered['latency_ms'], 100),
        'age_p50_ms': _percentile(answered['age_ms'], 50),
        'age_p99_ms': _percentile(answered['age_ms'], 99),
        'adaptive_rate_min': _lowest(frames['adaptive_rate'], limits['adaptive_rate']),
        'adaptive_rate_mean': _mean(limits['adaptive_rate']),
        'speed_limit_min_percent': _lowest(
            frames['speed_limit_percent'], limits['speed_limit_percent']
        ),
        'speed_limit_mean_percent': _mean(limits['speed_limit_percent']),
        'speedup_layers': _ratio(model['layers'], _mean(answered['exit_layer'])),
        'speedup_macs': _ratio(model['backbone_macs'], _mean(answered['macs'])),
        'seconds': _seconds(frames),
        'time_saved': saved.saved.value if saved else None,
        'time_saved_low': saved.saved.low if saved else None,
        'time_saved_high': saved.saved.high if saved else None,
    }
    summary = {
        'metrics': metrics,
        'exits': [_exit(answered, layer) for layer in layers],
        'classes': _classes(answered),
        'sources': [_source(frames, answered, limits, name) for name in _in_order(frames['bag'])],
        'cameras': [
            _camera(frames, answered, name) for name in _in_order(frames['camera']) if name
        ],
        'time_saved': saved.figures() if saved else None,
    }
    if regions is not None:
        asked = regions[regions['status'] == ANSWERED].copy()
        asked['right'] = _right(asked, 'truth')
        metrics |= {
            'regions': len(regions),
            'regions_answered': len(asked),
            'regions_labelled': int(asked['right'].notna().sum()),
            'region_accuracy': _mean(asked['right']),
            'region_exit_layer_mean': _mean(asked['exit_layer']),
        }
        summary['regions'] = [_left(asked, layer, 'regions') for layer in layers]
    return summary


def _exit(answered: pd.DataFrame, layer: int) -> dict[str, Any]:
    here = answered[answered['exit_layer'] == layer]
    return {
        **_left(answered, layer, 'frames'),
        'latency_p50_ms': _percentile(here['latency_ms'], 50),
        'latency_p99_ms': _percentile(here['latency_ms'], 99),
    }


def _left(answered: pd.DataFrame, layer: int, what: str) -> dict[str, Any]:
    here = answered[answered['exit_layer'] == layer]
    return {
        'layer': layer,
        what: len(here),
        'share': _ratio(len(here), len(answered)),
        'accuracy': _mean(here['right']),
    }


def _classes(answered: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each true class; without truth, for each answered class."""
    labelled = answered[answered['right'].notna()]
    key = 'truth' if len(labelled) else 'label'
    among = labelled if len(labelled) else answered
    rows = []
    # As text: before pandas 2 categories were in the order in which they appeared.
    for name, group in among.groupby(among[key].astype(str)):
        wrong = group.loc[group['right'] == 0, 'label'].astype(str)
        rows.append(
            {
                'label': str(name),
                'frames': len(group),
                'accuracy': _mean(group['right']),
                'most_confused': str(wrong.mode().iloc[0]) if len(wrong) else '',
                'exit_layer_mean': _mean(group['exit_layer']),
            }
        )
    return rows


def _source(
    frames: pd.DataFrame, answered: pd.DataFrame, limits: pd.DataFrame, name: str
) -> dict[str, Any]:
    all_here, here = frames[frames['bag'] == name], answered[answered['bag'] == name]
    return {
        **_part(name, all_here, here),
        'agreement': _mean(here['agrees']),
        'adaptive_rate_mean': _mean(limits.loc[limits['bag'] == name, 'adaptive_rate']),
    }


def _camera(frames: pd.DataFrame, answered: pd.DataFrame, name: str) -> dict[str, Any]:
    all_here, here = frames[frames['camera'] == name], answered[answered['camera'] == name]
    return {
        **_part(name, all_here, here),
        'age_p50_ms': _percentile(here['age_ms'], 50),
        'age_p99_ms': _percentile(here['age_ms'], 99),
        'adaptive_rate_mean': _mean(all_here['adaptive_rate']),
    }


def _part(name: str, frames: pd.DataFrame, answered: pd.DataFrame) -> dict[str, Any]:
    return {
        'name': name,
        'frames': len(frames),
        'answered': len(answered),
        'dropped': int((frames['status'] == DROPPED).sum()),
        'bad': int((frames['status'] == BAD).sum()),
        'accuracy': _mean(answered['right']),
        'exit_layer_mean': _mean(answered['exit_layer']),
    }


def _right(answered: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return 1 where the answer equals `column`, 0 where not, NaN where `column` is empty."""
    expected, label = answered[column].astype(str), answered['label'].astype(str)
    right: pd.Series[float] = (expected == label).astype(float).where(expected != '')
    return right


def _noted(answered: pd.DataFrame, note: str) -> pd.Series[bool]:
    return answered['notes'].astype(str).str.split().apply(lambda notes: note in notes).astype(bool)


def _in_order(names: pd.Series[Any]) -> list[str]:
    return list(dict.fromkeys(names.astype(str)))


def _seconds(frames: pd.DataFrame) -> float:
    """Return how long the recordings last in all."""
    spans = frames.groupby('bag', observed=True)['received_ns'].agg(lambda t: t.max() - t.min())
    return float(spans.sum() * 1e-9)


def _lowest(*columns: pd.Series[float]) -> float | None:
    values = pd.concat([column.dropna() for column in columns])
    return float(values.min()) if len(values) else None


def _mean(values: pd.Series[Any]) -> float | None:
    known = values.dropna()
    # fsum: the same whatever the order in which rows were merged.
    return math.fsum(known) / len(known) if len(known) else None


def _percentile(values: pd.Series[float], percent: float) -> float | None:
    known = values.dropna()
    return float(np.percentile(known, percent)) if len(known) else None


def _ratio(value: float, by: float | None) -> float | None:
    return value / by if by else None
