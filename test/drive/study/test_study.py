from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.errors import DriveError
from drive.report import study as report
from drive.study.fleet import drive
from drive.study.laws import Law, LawDriver, by_brightness, by_depth
from drive.study.measures import Weigher, interval, missed_in_zone, saved
from drive.study.plans import SPEEDS_MPS, by_zone, constant_speeds
from drive.study.study import compare_on, open_setup
from drive.study.worlds import REPORT
from eevit_ros.reporting.equal_risk import seconds_at
from eevit_ros.reporting.style import to_png
from test.drive.study.made_up import route

ROUTE = route()
LAWS = {
    'node defaults': (Law(by_depth, (0.25, 0.5, 0.75)), 1),
    'depth+contrast': (Law(by_depth, (0.4, 0.6)), 0),
    report.BEST: (Law(by_depth, (0.25, 0.5)), 1),
    'brightness': (Law(by_brightness, (0.3, 0.5), faults=False), 0),
}


@pytest.fixture(scope='module')
def found() -> dict[str, Any]:
    return compare_on(ROUTE, LAWS)


def at(curve: dict[str, Any], risk: float, what: str = 'worst') -> float:
    """Return the seconds that a curve needs for a risk."""
    risks, seconds = np.array([curve[what]]), np.array([curve['seconds']])
    return float(seconds_at(np.array([risk]), risks, seconds)[0])


@pytest.mark.parametrize('oracle', ['light', 'thing'])
def test_an_oracle_needs_no_more_time_than_a_constant_speed(
    found: dict[str, Any], oracle: str
) -> None:
    constant = found['constant']
    for risk in np.linspace(min(constant['worst']), max(constant['worst']), 7)[1:-1]:
        assert at(found['oracles'][oracle], risk) <= 1.01 * at(constant, risk)


def test_who_knows_the_thing_saves_more_than_who_knows_the_zone(found: dict[str, Any]) -> None:
    middle = found['constant']['worst'][SPEEDS_MPS.index(1.2)]
    assert at(found['oracles']['thing'], middle) < at(found['oracles']['light'], middle)


def test_a_constant_speed_saves_nothing_against_itself() -> None:
    curve = Weigher(ROUTE, resamples=20).curve(drive(ROUTE, constant_speeds()))
    for number in (6, 9):
        assert saved(curve.setting(number), curve)[0] == pytest.approx(0, abs=0.02)


@given(
    st.lists(st.tuples(st.floats(10, 200), st.floats(0, 1)), min_size=1, max_size=8),
    st.floats(0, 1),
)
def test_the_time_for_a_risk_is_between_those_of_the_settings_around_it(
    settings: list[tuple[float, float]], risk: float
) -> None:
    seconds, risks = np.array(settings).T
    found = seconds_at(np.array([risk]), risks[np.newaxis], seconds[np.newaxis])[0]
    enough = seconds[risks <= risk]
    if len(enough):
        assert found <= enough.min()
    assert seconds.min() <= found <= seconds.max()
    easier = seconds_at(np.array([min(1.0, risk + 0.1)]), risks[np.newaxis], seconds[np.newaxis])[0]
    assert easier <= found + 1e-9


def test_one_speed_for_all_zones_is_a_constant_speed() -> None:
    one = drive(ROUTE, by_zone(ROUTE, [[1.0, 1.0]]))
    constant = drive(ROUTE, constant_speeds())
    row = SPEEDS_MPS.index(1.0)
    assert (one.seconds[0] == constant.seconds[row]).all()
    assert (one.missed[0] == constant.missed[row]).all()


def test_zones_differ_as_the_whole_does(found: dict[str, Any]) -> None:
    for law in found['laws'].values():
        assert list(law['zones']) == found['conditions']
        assert max(zone['missed'] for zone in law['zones'].values()) == pytest.approx(
            law['worst'][law['setting']]
        )
        for zone in law['zones'].values():
            assert 4.0 < zone['seconds'] < 32.0  # 12 m
    constant = Weigher(ROUTE, resamples=20).curve(drive(ROUTE, constant_speeds()))
    for kind in range(len(found['conditions'])):
        for zone_time in (True, False):
            more = missed_in_zone(constant.setting(4), constant, kind, zone_time=zone_time)
            assert more == pytest.approx(np.zeros(21))


def test_intervals_hold_the_value_and_shrink_with_certainty(found: dict[str, Any]) -> None:
    for law in found['laws'].values():
        for name in ('saved', 'saved_in_all', 'more_missed_in_same_time'):
            assert law[name]['low'] <= law[name]['value'] <= law[name]['high']
    driven = drive(ROUTE, LawDriver(LAWS['node defaults'][0], ROUTE.frames))
    driven.missed[:] = True
    curve = Weigher(ROUTE, resamples=20).curve(driven)
    assert interval(curve.worst[:, 0]) == (1.0, 1.0, 1.0)


def test_a_model_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / 'broken.onnx').write_text('no model')
    with pytest.raises(DriveError, match='broken.onnx'):
        open_setup(REPORT, tmp_path / 'broken.onnx')


def test_the_report_shows_every_world_and_law(found: dict[str, Any], tmp_path: Path) -> None:
    study = {'worlds': {'balanced': found, 'rare hard': found}, 'paths': 12}
    study = json.loads(json.dumps(study))
    text, table = report.lines(study), report.tables(study)
    for name in ('balanced', 'rare hard'):
        assert name in text
        assert name in table
    assert all(law in table for law in LAWS)
    document = tmp_path / 'page.md'
    document.write_text('before\n<!-- study -->\nold\n<!-- /study -->\nafter\n')
    report.fill(document, table)
    report.fill(document, table)
    assert document.read_text().count(table) == 1
    assert 'old' not in document.read_text()
    assert document.read_text().endswith('after\n')
    to_png(report.curves(study), tmp_path / 'curves.png')
    assert (tmp_path / 'curves.png').stat().st_size > 10_000
