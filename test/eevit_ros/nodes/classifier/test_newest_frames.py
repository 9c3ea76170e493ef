"""Of each camera the newest frame, between the subscriptions and the inference thread."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.nodes.classifier.newest_frames import NewestFrames


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=30))
def test_the_newest_frame_of_each_camera_wins_and_every_other_counts_as_dropped(
    bursts: list[list[int]],
) -> None:
    frames: NewestFrames[int] = NewestFrames([1.0, 2.0, 0.5])
    sent = [0, 0, 0]
    taken = [0, 0, 0]
    for number, burst in enumerate(bursts):
        newest = {camera: 10 * number + i for i, camera in enumerate(burst)}
        for i, camera in enumerate(burst):
            frames.slots[camera].put(10 * number + i)
            sent[camera] += 1
        got = [frames.get() for _ in newest]
        assert dict(filter(None, got)) == newest
        for camera in newest:
            taken[camera] += 1
    drops = [slot.drops for slot in frames.slots]
    assert [a + b for a, b in zip(taken, drops, strict=True)] == sent


def test_get_waits_for_put() -> None:
    frames: NewestFrames[int] = NewestFrames([1.0, 1.0])
    got = list[tuple[int, int] | None]()
    thread = threading.Thread(target=lambda: got.append(frames.get()))
    thread.start()
    frames.slots[1].put(7)
    thread.join(60)
    assert got == [(1, 7)]
    assert frames.slots[1].drops == 0


def test_the_end_of_the_work_discards_a_frame_that_waits() -> None:
    frames: NewestFrames[int] = NewestFrames([1.0])
    frames.slots[0].put(7)
    frames.close()
    assert frames.get() is None
