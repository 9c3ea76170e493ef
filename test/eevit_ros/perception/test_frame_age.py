from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.frame_age import frame_age_ms

NOW = 1_800_000_000_000_000_000


@given(st.integers(0, 10_000_000_000))
def test_an_age_within_ten_seconds_is_an_age(age_ns: int) -> None:
    assert frame_age_ms(NOW - age_ns, NOW) == pytest.approx(age_ns / 1e6)


@given(st.one_of(st.integers(1, 2**62), st.integers(-(2**62), -10_000_001_000)))
def test_the_future_and_the_long_past_are_none(offset_ns: int) -> None:
    assert frame_age_ms(NOW + offset_ns, NOW) is None


def test_no_stamp_is_none_even_where_the_clock_starts_at_zero() -> None:
    assert frame_age_ms(0, 0) is None
    assert frame_age_ms(0, 5_000_000) is None
