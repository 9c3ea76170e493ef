"""The queue of one place between the subscription and the inference thread."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('rclpy')

from std_msgs.msg import Header  # noqa: E402

from eevit_ros.nodes.classifier.camera import NewestFrame  # noqa: E402
from eevit_ros.nodes.classifier.frame import Frame  # noqa: E402


def frame(number: int) -> Frame:
    return Frame(None, Header(), number, frozen=False, waited=False, useless_stamps=False)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_the_newest_frame_wins_and_every_other_counts_as_dropped(bursts: list[int]) -> None:
    newest, taken = NewestFrame(), 0
    for i, burst in enumerate(bursts):
        for j in range(burst):
            newest.put(frame(10 * i + j))
        if burst:
            assert newest.get(timeout=60) == frame(10 * i + burst - 1)
            taken += 1
    assert taken + newest.drops == sum(bursts)
    assert newest.empty()


def test_get_waits_for_put() -> None:
    newest, got = NewestFrame(), list[Frame | None]()
    thread = threading.Thread(target=lambda: got.append(newest.get()))
    thread.start()
    newest.put(frame(1))
    thread.join(60)
    assert got == [frame(1)]
    assert newest.drops == 0


def test_the_end_of_the_work_replaces_a_frame_that_waits() -> None:
    newest = NewestFrame()
    newest.put(frame(1))
    newest.put(None)
    assert newest.get(timeout=60) is None
