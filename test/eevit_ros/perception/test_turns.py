"""Whose frame is next: who waited longest, and shares by weight."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.turns import Turns

CAMERAS = 4
EVENTS = st.lists(st.one_of(st.integers(0, CAMERAS - 1), st.none()), max_size=60)


@given(EVENTS)
def test_with_equal_weights_next_is_who_had_no_turn_for_longest(events: list[int | None]) -> None:
    turns, waiting = Turns([1.0] * CAMERAS), set[int]()
    last = {camera: camera - CAMERAS for camera in range(CAMERAS)}
    for number, camera in enumerate(events):
        if camera is not None:
            turns.came(camera)
            waiting.add(camera)
            continue
        expected = min(waiting, key=lambda one: last[one], default=None)
        assert turns.take() == expected
        if expected is not None:
            waiting.remove(expected)
            last[expected] = number


@given(
    st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=2, max_size=4),
    st.lists(st.booleans(), max_size=40),
)
def test_turns_are_in_proportion_to_the_weights_whatever_came_before(
    weights: list[float], before: list[bool]
) -> None:
    turns, n = Turns(weights), len(weights)
    for first_alone in before:  # the first camera alone, for a while
        for camera in range(1 if first_alone else n):
            turns.came(camera)
        turns.take()
    shares = Counter[int]()
    for _ in range(200):
        for camera in range(n):
            turns.came(camera)
        taken = turns.take()
        assert taken is not None
        shares[taken] += 1
    for camera, weight in enumerate(weights):
        assert shares[camera] == pytest.approx(200 * weight / sum(weights), abs=n + 1)


def test_other_weights_hold_nobody_up_for_what_the_old_ones_counted() -> None:
    turns = Turns([100.0, 0.01])

    def turn() -> int | None:
        turns.came(0)
        turns.came(1)
        return turns.take()

    assert 1 in [turn() for _ in range(5)]
    turns.change([1.0, 1.0])
    assert sorted(str(turn()) for _ in range(4)) == ['0', '0', '1', '1']
