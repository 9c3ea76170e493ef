"""A made-up recording: signs that are easy by day, and at night are read from near alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from eevit_ros.perception.perception import PerceptionSettings
from eevit_ros.replay.results.frame_table import BAD, COLUMNS, FrameRow
from eevit_ros.replay.results.time_saved import TimeSaved, time_saved
from eevit_ros.speed.rate import RateSettings
from test.eevit_ros.replay.made_frames import frame_row, unanswered

RECORDED_MPS, FLOOR = 0.24, 0.2
FRAMES_A_METRE = 15 / RECORDED_MPS
SETTINGS = PerceptionSettings(rate=RateSettings(max_speed_mps=1.2, floor=FLOOR))


def recording(places: str, *, seed: int = 0, named: bool = True) -> list[FrameRow]:
    """Return a sign every 4 m, seen over its last 2.5 m; a letter a sign: day or night."""
    rng, rows = np.random.default_rng(seed), []
    for sign, place in enumerate(places):
        read_from_m = rng.uniform(1.0, 2.0) if place == 'd' else rng.uniform(0.1, 0.6)
        for to_sign_m in np.arange(4.0, 0.0, -1 / FRAMES_A_METRE):
            is_right = to_sign_m <= read_from_m
            in_sight = to_sign_m <= 2.5
            rows.append(
                frame_row(
                    len(rows),
                    label=f'sign {sign}' if is_right else 'worm',
                    truth=f'sign {sign}' if in_sight else '',
                    place={'d': 'day', 'n': 'night'}[place] if named and in_sight else '',
                    depth=0.4 if place == 'd' else 0.85,
                    age_ms=20.0,
                    contrast=60.0,
                )
            )
    return rows


def table(rows: list[FrameRow]) -> pd.DataFrame:
    return pd.DataFrame(map(vars, rows), columns=list(COLUMNS)).astype(
        {'age_ms': float, 'contrast': float}
    )


def measured(rows: list[FrameRow], settings: PerceptionSettings = SETTINGS) -> TimeSaved:
    found = time_saved(table(rows), settings, FLOOR, RECORDED_MPS)
    assert found is not None
    return found


ROWS = recording('d' * 20 + 'n' * 20 + 'd' * 10)


def test_who_is_slow_at_night_alone_saves_time() -> None:
    found = measured(ROWS)
    assert found.saved.low > 0.1
    assert found.seconds == pytest.approx((1 - found.saved.value) * found.constant_seconds)
    assert [(place.name, place.things) for place in found.places] == [('day', 30), ('night', 20)]
    assert not found.doubts


def test_one_rate_everywhere_saves_nothing() -> None:
    same = [replace(row, depth=0.7) for row in ROWS]
    found = measured(same)
    assert found.saved.value == pytest.approx(0, abs=0.08)
    assert any('the interval holds 0' in doubt for doubt in found.doubts)


def test_slow_in_the_wrong_place_costs_time() -> None:
    wrong = [replace(row, depth=0.4 if row.depth == 0.85 else 0.85) for row in ROWS]
    assert measured(wrong).saved.high < 0


def test_a_place_without_a_name_is_ten_things_long() -> None:
    found = measured(recording('d' * 25, named=False))
    assert [place.things for place in found.places] == [10, 10, 5]
    assert any('fewer than 10 things' in doubt for doubt in found.doubts)


def test_recorded_too_fast_is_told() -> None:
    found = time_saved(table(ROWS), SETTINGS, FLOOR, 1.0)
    assert found is not None
    assert any('faster than the floor' in doubt for doubt in found.doubts)


@pytest.mark.parametrize('doubtful', ['blind', 'frozen'])
def test_frames_that_stop_the_robot_cost_time_here_too(doubtful: str) -> None:
    slow = [replace(row, notes=doubtful) if row.place == 'day' else row for row in ROWS]
    assert measured(slow).seconds > 1.5 * measured(ROWS).seconds


def test_without_truth_nothing_is_known() -> None:
    blank = [replace(row, truth='', place='') for row in ROWS[:50]]
    assert time_saved(table(blank), SETTINGS, FLOOR, RECORDED_MPS) is None
    assert time_saved(table([]), SETTINGS, FLOOR, RECORDED_MPS) is None


def test_each_recording_is_a_path_of_its_own() -> None:
    second = [replace(row, bag='run_2') for row in ROWS]
    found = measured([*ROWS, *second])
    assert found.seconds == pytest.approx(2 * measured(ROWS).seconds)
    assert found.saved.value == pytest.approx(measured(ROWS).saved.value)


def test_unreadable_frames_are_no_answers() -> None:
    rows = [
        unanswered(row, BAD, 'cut off') if number % 2 and row.place == 'night' else row
        for number, row in enumerate(ROWS)
    ]
    assert measured(rows).places[1].missed == 1.0  # never two in a row
