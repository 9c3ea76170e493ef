"""What lasts, and what only comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.nodes.lasting import Lasting


def test_what_is_the_case_without_a_break_lasts_from_its_time_on() -> None:
    lasting = Lasting(30.0)
    assert lasting.of(['a'], 100.0) == []
    assert lasting.of(['b', 'a'], 129.9) == []
    assert lasting.of(['b', 'a'], 130.0) == ['a']
    assert lasting.of(['b', 'a'], 160.0) == ['a', 'b']


def test_a_break_starts_it_anew() -> None:
    lasting = Lasting(30.0)
    lasting.of(['a'], 100.0)
    lasting.of([], 129.0)
    assert lasting.of(['a'], 131.0) == []
    assert lasting.of(['a'], 161.0) == ['a']


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=50))
def test_it_lasts_exactly_when_every_look_for_that_long_has_found_it(
    looks: list[tuple[float, bool]],
) -> None:
    lasting, now_s, since_s = Lasting(5.0), 0.0, None
    for wait_s, is_there in looks:
        now_s += wait_s
        since_s = (now_s if since_s is None else since_s) if is_there else None
        expected = ['a'] if since_s is not None and now_s - since_s >= 5.0 else []
        assert lasting.of(['a'] if is_there else [], now_s) == expected
