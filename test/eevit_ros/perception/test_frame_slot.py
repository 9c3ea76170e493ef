from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.frame_slot import FrameSlot


def test_the_newest_item_wins_and_the_others_are_counted() -> None:
    slot: FrameSlot[int] = FrameSlot()
    for item in (1, 2, 3):
        slot.put(item)
    assert slot.get() == 3
    assert slot.drops == 2


@given(st.lists(st.integers(0, 5), max_size=30))
def test_every_item_is_either_taken_or_counted_as_dropped(bursts: list[int]) -> None:
    slot: FrameSlot[tuple[int, int]] = FrameSlot()
    taken = 0
    for i, burst in enumerate(bursts):
        for j in range(burst):
            slot.put((i, j))
        if burst:
            assert slot.get() == (i, burst - 1)
            taken += 1
    assert taken + slot.drops == sum(bursts)


def test_get_waits_for_put() -> None:
    slot: FrameSlot[str] = FrameSlot()
    got: list[str | None] = []
    thread = threading.Thread(target=lambda: got.append(slot.get()))
    thread.start()
    slot.put('frame')
    thread.join(60)
    assert got == ['frame']
    assert slot.drops == 0


def test_closing_releases_whoever_waits_and_takes_no_more() -> None:
    slot: FrameSlot[str] = FrameSlot()
    got: list[str | None] = []
    thread = threading.Thread(target=lambda: got.append(slot.get()))
    thread.start()
    slot.close()
    thread.join(60)
    assert got == [None]
    slot.put('late')
    assert slot.get() is None


def test_closing_discards_a_waiting_item() -> None:
    slot: FrameSlot[str] = FrameSlot()
    slot.put('waiting')
    slot.close()
    assert slot.get() is None
