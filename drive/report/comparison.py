"""Comparison of the four policies over seeds, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drive.policy import AT_FLOOR, CONSTANT, FULL, OURS, POLICIES
from drive.scene.world import DARKNESS
from eevit_ros.reporting.interval import bootstrap

RESAMPLES = 20_000
MOST_MISSES = 1 / 2  # of those at full speed
MOST_TIME = 2 / 3  # of that at the floor
ENOUGH = 6  # seeds; the interval of fewer is too narrow

Counts = npt.NDArray[np.float64]
Run = Mapping[str, Any]


def compare(runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Compare policies.

    Args:
        runs: Runs by policy, for the same seeds in the same order: `seconds` and `signs`.

    Returns:
        The part 'comparison' of the report. Intervals are of 95 %: seeds are drawn with
        replacement, each with all four policies (paired bootstrap, percentiles).
    """
    missed = {policy: _missed(runs[policy]) for policy in POLICIES}
    seconds = {policy: np.array([run['seconds'] for run in runs[policy]]) for policy in POLICIES}
    signs = len(runs[OURS][0]['signs'])
    policies = [
        {
            'policy': policy,
            'missed': int(missed[policy].sum()),
            'missed_share': _estimate(lambda m: m.mean(-1) / signs, missed[policy]),
            'seconds': round(float(seconds[policy].mean()), 2),
            'zones': {zone: _zone(runs[policy], zone) for zone in DARKNESS},
        }
        for policy in POLICIES
    ]
    misses = _estimate(_ratio, missed[OURS], missed[FULL])
    time = _estimate(_ratio, seconds[OURS], seconds[AT_FLOOR])
    fewer = _estimate(lambda c, d: (c - d).mean(-1), missed[OURS], missed[CONSTANT])
    return {
        'seeds': len(runs[OURS]),
        'signs_per_seed': signs,
        'policies': policies,
        'missed_to_full_speed': misses,
        'time_to_floor': time,
        'missed_less_than_same_time': fewer,
        'meets': {
            'at most half of the misses at full speed': misses['value'] <= MOST_MISSES,
            'at most two thirds of the time at the floor': time['value'] <= MOST_TIME,
            'fewer misses than at constant speed in the same time': fewer['value'] < 0,
        },
        'verdict': verdict(fewer, len(runs[OURS])),
    }


def verdict(fewer: Mapping[str, float], seeds: int) -> str:
    """Return in words what the difference to the constant speed means.

    Args:
        fewer: Misses of ours less those at constant speed, a seed: 'value', 'low', 'high'.
        seeds: How many were driven.
    """
    if seeds < ENOUGH:
        return (
            f'{seeds} paths are too few to compare ours with a constant speed: the offline study '
            'does. ARGS=--real drives ten.'
        )
    if fewer['value'] >= 0:
        return (
            'Ours did not miss fewer signs than a constant speed with the same travel time: here '
            'depth carried no information.'
        )
    if fewer['high'] >= 0:
        return (
            'Ours missed fewer signs than a constant speed with the same travel time, but the 95 % '
            'interval of the difference includes zero: with these seeds that is no proof.'
        )
    return (
        'Ours missed fewer signs than a constant speed with the same travel time, and the 95 % '
        'interval of the difference excludes zero: depth told where to slow down.'
    )


def _missed(runs: Sequence[Run]) -> Counts:
    return np.array([sum(sign['read_m'] is None for sign in run['signs']) for run in runs], float)


def _zone(runs: Sequence[Run], zone: str) -> dict[str, int]:
    there = [sign for run in runs for sign in run['signs'] if sign['zone'] == zone]
    return {'signs': len(there), 'missed': sum(sign['read_m'] is None for sign in there)}


def _ratio(ours: Counts, other: Counts) -> Counts:
    with np.errstate(divide='ignore', invalid='ignore'):  # no sign missed: infinite or NaN
        return np.asarray(np.nan_to_num(ours.sum(-1) / other.sum(-1), nan=1.0))


def _estimate(statistic: Callable[..., Counts], *samples: Counts) -> dict[str, float]:
    found = bootstrap(statistic, *samples, resamples=RESAMPLES, nearest=True)
    return {name: round(value, 4) for name, value in found._asdict().items()}
