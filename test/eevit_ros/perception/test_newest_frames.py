"""Of each camera the newest frame; next is who waited longest, with shares by weight."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.newest_frames import NewestFrames

CAMERAS = 'abcd'
EVENTS = st.lists(st.one_of(st.sampled_from(CAMERAS), st.none()), max_size=60)


@given(EVENTS)
def test_with_equal_weights_next_is_who_had_no_turn_for_longest(events: list[str | None]) -> None:
    frames, waiting = NewestFrames[int](dict.fromkeys(CAMERAS, 1.0)), set[str]()
    last = {camera: place - len(CAMERAS) for place, camera in enumerate(CAMERAS)}
    for number, camera in enumerate(events):
        if camera is not None:
            frames.put(camera, number)
            waiting.add(camera)
            continue
        taken = frames.take()
        expected = min(waiting, key=lambda one: last[one], default=None)
        assert (taken and taken[0]) == expected
        if expected is not None:
            waiting.remove(expected)
            last[expected] = number


@given(
    st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=2, max_size=4),
    st.lists(st.booleans(), max_size=40),
)
def test_turns_are_in_proportion_to_the_weights_whatever_came_before(
    given_weights: list[float], before: list[bool]
) -> None:
    weights = dict(zip(CAMERAS, given_weights, strict=False))
    frames = NewestFrames[int](weights)
    for first_alone in before:  # the first camera alone, for a while
        for camera in CAMERAS[:1] if first_alone else weights:
            frames.put(camera, 0)
        frames.take()
    shares = Counter[str]()
    for _ in range(200):
        for camera in weights:
            frames.put(camera, 0)
        taken = frames.take()
        assert taken is not None
        shares[taken[0]] += 1
    for camera, weight in weights.items():
        fair = 200 * weight / sum(weights.values())
        assert shares[camera] == pytest.approx(fair, abs=len(weights) + 1)


def test_other_weights_hold_nobody_up_for_what_the_old_ones_counted() -> None:
    frames = NewestFrames[int]({'a': 100.0, 'b': 0.01})

    def turn() -> str:
        frames.put('a', 0)
        frames.put('b', 0)
        taken = frames.take()
        assert taken is not None
        return taken[0]

    assert 'b' in [turn() for _ in range(5)]
    frames.change({'a': 1.0, 'b': 1.0})
    assert sorted(turn() for _ in range(4)) == ['a', 'a', 'b', 'b']


@given(st.lists(st.lists(st.sampled_from('abc'), max_size=6), max_size=30))
def test_the_newest_frame_of_each_camera_wins_and_every_other_counts_as_dropped(
    bursts: list[list[str]],
) -> None:
    frames = NewestFrames[int]({'a': 1.0, 'b': 2.0, 'c': 0.5})
    sent, taken = Counter[str](), Counter[str]()
    for number, burst in enumerate(bursts):
        newest: dict[str, int] = {}
        for i, camera in enumerate(burst):
            assert frames.put(camera, 10 * number + i) == newest.get(camera)
            newest[camera] = 10 * number + i
        got = [frames.get() for _ in newest]
        assert dict(filter(None, got)) == newest
        sent.update(burst)
        taken.update(newest.keys())
    assert taken + Counter(frames.drops) == sent


def test_get_waits_for_put() -> None:
    frames = NewestFrames[int]({'a': 1.0, 'b': 1.0})
    got = list[tuple[str, int] | None]()
    thread = threading.Thread(target=lambda: got.append(frames.get()))
    thread.start()
    frames.put('b', 7)
    thread.join(60)
    assert got == [('b', 7)]
    assert frames.drops['b'] == 0


def test_the_end_of_the_work_discards_a_frame_that_waits() -> None:
    frames = NewestFrames[int]({'': 1.0})
    frames.put('', 7)
    frames.close()
    assert frames.get() is None
