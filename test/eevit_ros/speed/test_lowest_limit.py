"""The limit of several adaptive rates: the lowest of what each alone would give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.speed.limit import STALE, LimitSettings, SpeedLimit
from eevit_ros.speed.lowest_limit import LowestLimit

RATES = ('/front/rate', '/rear/rate')
SETTINGS = LimitSettings(fresh_messages=2, recover_per_s=100.0)
steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.2, 0.5]),
        st.sampled_from([*RATES, 'zone', 'problem', 'mended', 'over']),
        st.sampled_from([1.0, 0.5, 0.3, 0.0, 60.0]),
    ),
    max_size=60,
)


@given(steps)
def test_it_is_the_lowest_of_the_limits_of_each_rate(steps: list[tuple[float, str, float]]) -> None:
    limit = LowestLimit(SETTINGS, RATES, ['/zone'])
    alone = {rate: SpeedLimit(SETTINGS, ['/zone']) for rate in RATES}
    limit.floor_received = True
    for one in alone.values():
        one.floor_received = True
    now_s = 0.0
    for wait_s, what, value in steps:
        now_s += wait_s
        if what in RATES:
            for each in (limit.of, alone):
                each[what].update_rate(value, now_s)
        for each in (limit, *alone.values()):
            if what == 'zone':
                each.update_zone('/zone', value, is_percent=True)
            elif what in ('problem', 'mended'):
                each.set_problem('graph', 'two' if what == 'problem' else '')
            elif what == 'over':
                each.start_over('the other is gone')
                each.floor_received = True
        assert limit.at(now_s).percent == min(one.at(now_s).percent for one in alone.values())


def test_one_that_is_silent_is_the_floor_and_named() -> None:
    limit = LowestLimit(SETTINGS, RATES)
    limit.floor_received = True
    for step in range(20):
        for rate in RATES:
            if rate != '/rear/rate' or step < 10:
                limit.of[rate].update_rate(1.0, 0.1 * step)
        if step == 9:
            assert limit.at(0.9).percent == 100
    found = limit.at(1.95)
    assert (found.percent, found.reason) == (20, STALE)
    assert found.text.startswith('/rear/rate: no adaptive rate for')
    assert limit.age_s(1.95) == pytest.approx(1.05)
