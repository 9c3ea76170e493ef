"""Recorded time: it stands until it goes, never goes back, and is no faster than it should be."""

from __future__ import annotations

import threading
import time

from eevit_ros.nodes.bags.recorded_time import RecordedTime

START_NS = 1_700_000_000_000_000_000


def test_stands_at_the_start_until_it_goes() -> None:
    told: list[int] = []
    seen = threading.Event()

    def tell(time_ns: int) -> None:
        told.append(time_ns)
        if len(told) == 5:
            seen.set()

    with RecordedTime(START_NS, 1.0, tell):
        assert seen.wait(60)
    assert set(told) == {START_NS}


def test_never_goes_back_and_has_told_what_was_waited_for() -> None:
    told: list[int] = []
    with RecordedTime(START_NS, 10.0, told.append) as clock:
        clock.go()
        for step in range(1, 21):
            assert clock.wait_until(START_NS + step * 50_000_000, threading.Event())
            assert told[-1] >= START_NS + step * 50_000_000
    assert told == sorted(told)


def test_runs_as_fast_as_it_is_told_to() -> None:
    for rate in (0.5, 100.0):
        with RecordedTime(START_NS, rate, lambda _: None) as clock:
            begun_s = time.monotonic()
            clock.go()
            clock.wait_until(START_NS + round(0.2 * rate * 1e9), threading.Event())
            took_s = time.monotonic() - begun_s
        assert 0.2 <= took_s < 10  # 20 s of the recording at the higher rate


def test_says_when_the_wait_was_broken_off() -> None:
    stop = threading.Event()
    stop.set()
    with RecordedTime(START_NS, 1.0, lambda _: None) as clock:
        clock.go()
        assert not clock.wait_until(START_NS + 10**18, stop)
