from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.frozen_camera import FrozenCamera

LIMITS = st.integers(1, 20)


def frame(i: int) -> array[int]:
    return array('B', i.to_bytes(4, 'little') * 10)


@given(LIMITS, st.integers(1, 40))
def test_frames_that_differ_in_stamp_and_bytes_never_freeze(limit: int, count: int) -> None:
    camera = FrozenCamera(limit)
    assert not any(camera.see(i, frame(i)) for i in range(1, count + 1))


@given(LIMITS, st.booleans(), st.booleans())
def test_it_freezes_at_the_limit_and_thaws_with_the_next_new_frame(
    limit: int, same_stamp: bool, same_bytes: bool
) -> None:
    camera = FrozenCamera(limit)
    seen = [
        camera.see(1 if same_stamp else i + 1, frame(0 if same_bytes else i))
        for i in range(limit + 3)
    ]
    if same_stamp or same_bytes:
        assert seen == [False] * limit + [True] * 3
        assert camera.repeats == limit + 2
    else:
        assert not any(seen)
    assert not camera.see(10**9, frame(10**6))
    assert camera.repeats == 0


def test_frames_delivered_twice_are_not_a_frozen_camera() -> None:
    camera = FrozenCamera(2)
    assert not any(camera.see(i // 2 + 1, frame(i // 2)) for i in range(100))


def test_a_driver_without_stamps_is_judged_by_bytes_alone() -> None:
    camera = FrozenCamera(2)
    assert not any(camera.see(0, frame(i)) for i in range(100))
    assert [camera.see(0, frame(7)) for _ in range(3)] == [False, False, True]


def test_empty_data_are_no_picture_to_repeat() -> None:
    camera = FrozenCamera(1)
    assert not any(camera.see(i, array('B')) for i in range(1, 10))
