from __future__ import annotations

from typing import Any

import pytest

from drive.policy import AT_FLOOR, CONSTANT, FULL, OURS
from drive.report.comparison import compare, verdict
from drive.report.terminal import conclusion, summary_text, targets
from drive.scene.world import DARKNESS, SIGNS, ZONES

ZONE_OF_SIGN = [zone for zone in ZONES for _ in range(SIGNS // len(ZONES))]


def run(seed: int, missed: int, seconds: float) -> dict[str, Any]:
    signs = [
        {'zone': zone, 'read_m': None if number < missed else 1.0}
        for number, zone in enumerate(ZONE_OF_SIGN)
    ]
    return {'seed': seed, 'seconds': seconds, 'signs': signs}


def runs(full: list[int], ours: list[int], constant: list[int]) -> dict[str, list[dict[str, Any]]]:
    return {
        FULL: [run(n, missed, 20.0) for n, missed in enumerate(full)],
        AT_FLOOR: [run(n, 1, 100.0) for n in range(len(full))],
        OURS: [run(n, missed, 40.0) for n, missed in enumerate(ours)],
        CONSTANT: [run(n, missed, 40.0) for n, missed in enumerate(constant)],
    }


def test_counts_shares_and_ratios() -> None:
    found = compare(runs([6, 8], [2, 4], [5, 5]))
    assert [row['missed'] for row in found['policies']] == [14, 2, 6, 10]
    assert found['missed_to_full_speed']['value'] == pytest.approx(6 / 14, abs=1e-4)
    assert found['time_to_floor']['value'] == pytest.approx(0.4)
    assert found['missed_less_than_same_time']['value'] == pytest.approx(-2.0)
    assert all(found['meets'].values())
    assert sum(zone['signs'] for zone in found['policies'][0]['zones'].values()) == 2 * SIGNS
    assert list(found['policies'][0]['zones']) == list(DARKNESS)


def test_intervals_hold_the_value_and_are_paired() -> None:
    found = compare(runs([6, 8, 7, 9], [2, 4, 3, 5], [3, 5, 4, 6]))
    fewer = found['missed_less_than_same_time']
    # always one fewer on the same path: paired, there is no doubt, however the paths differ
    assert (fewer['low'], fewer['value'], fewer['high']) == (-1.0, -1.0, -1.0)
    share = found['policies'][0]['missed_share']
    assert share['low'] < share['value'] < share['high']


def test_it_says_so_when_depth_carried_no_information() -> None:
    found = compare(runs([6, 8] * 3, [4, 4] * 3, [4, 4] * 3))
    assert 'depth carried no information' in found['verdict']
    assert not found['meets']['fewer misses than at constant speed in the same time']


def test_a_difference_that_may_be_chance_is_no_proof() -> None:
    assert 'no proof' in verdict({'value': -0.2, 'low': -0.9, 'high': 0.5}, 10)
    assert 'no proof' not in verdict({'value': -0.8, 'low': -1.3, 'high': -0.1}, 10)


def test_two_paths_prove_nothing_however_they_differ() -> None:
    assert 'too few' in compare(runs([6, 8], [2, 4], [5, 5]))['verdict']


def test_targets_that_are_not_met_are_named() -> None:
    lines = targets(compare(runs([6, 6], [4, 4], [5, 5])))
    assert [line.split()[0] for line in lines] == ['MISSED', 'met', 'met']


def test_nobody_misses_anything() -> None:
    found = compare(runs([0] * 6, [0] * 6, [0] * 6))
    assert found['policies'][0]['missed_share']['value'] == 0
    assert 'no information' in found['verdict']


def summary(**changes: Any) -> dict[str, Any]:
    return {
        'comparison': compare(runs([6, 8] * 3, [2, 4] * 3, [5, 5] * 3)),
        'real_time': {
            'frames_sent': 500,
            'frames_answered': 500,
            'age_ms': {'p50': 20.0, 'p99': 40.0},
            'late_ms': 5.0,
        },
        'rate': {'attack_s': 1.0},
        'model': {'name': 'a model', 'sha256': 'ab' * 32},
        'provider': 'cpu',
        'at_once': 2,
        'machine': {'cpu': 'a CPU', 'cores': 2, 'load_before': 0.1, 'system': 's', 'python': '3'},
        'took_s': 300,
    } | changes


def test_the_terminal_shows_every_policy_and_the_verdict() -> None:
    text = summary_text(summary())
    for part in ('full speed', 'floor', 'ours', 'same time', '2 cores', 'a CPU', 'depth told'):
        assert part in text
    assert 'proves nothing' not in text


def test_a_computer_that_was_too_busy_is_said_to_be() -> None:
    busy = {
        'frames_sent': 500,
        'frames_answered': 400,
        'age_ms': {'p50': 50.0, 'p99': 400.0},
        'late_ms': 5.0,
    }
    first, second = conclusion(summary(real_time=busy))
    assert '400 of 500' in first
    assert '400 ms' in first
    assert '--at-once 1' in second
    assert 'depth' not in summary_text(summary(real_time=busy))
    assert conclusion(summary()) == [summary()['comparison']['verdict']]
