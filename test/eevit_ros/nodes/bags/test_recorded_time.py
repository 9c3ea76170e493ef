"""Recorded time: it stands until it starts, and is never faster than it should be."""

from __future__ import annotations

import threading
import time

from eevit_ros.nodes.bags.recorded_time import RecordedTime

START_NS = 1_700_000_000_000_000_000


def test_stands_at_the_start_until_it_starts() -> None:
    published: list[int] = []
    seen = threading.Event()

    def publish(time_ns: int) -> None:
        published.append(time_ns)
        if len(published) == 5:
            seen.set()

    with RecordedTime(START_NS, 1.0, publish):
        assert seen.wait(60)
    assert set(published) == {START_NS}


def test_never_goes_back_and_has_published_what_was_waited_for() -> None:
    published: list[int] = []
    with RecordedTime(START_NS, 10.0, published.append) as clock:
        clock.start()
        for step in range(1, 21):
            assert clock.wait_until(START_NS + step * 50_000_000, threading.Event())
            assert published[-1] >= START_NS + step * 50_000_000
    assert published == sorted(published)


def test_runs_as_fast_as_asked() -> None:
    for rate in (0.5, 100.0):
        with RecordedTime(START_NS, rate, lambda _: None) as clock:
            begun_s = time.monotonic()
            clock.start()
            clock.wait_until(START_NS + round(0.2 * rate * 1e9), threading.Event())
            took_s = time.monotonic() - begun_s
        assert 0.2 <= took_s < 10  # 20 s of the recording at the higher rate


def test_says_when_the_wait_was_interrupted() -> None:
    stop = threading.Event()
    stop.set()
    with RecordedTime(START_NS, 1.0, lambda _: None) as clock:
        clock.start()
        assert not clock.wait_until(START_NS + 10**18, stop)


def test_a_gap_is_skipped_and_a_clock_is_set() -> None:
    published: list[int] = []
    year_ns = 365 * 24 * 3600 * 10**9
    with RecordedTime(START_NS, 1.0, published.append) as clock:
        clock.start()
        clock.skip(year_ns)
        assert clock.wait_until(START_NS + year_ns, threading.Event())
        assert published[-1] >= START_NS + year_ns
        assert clock.wait_until(START_NS + year_ns, threading.Event(), -year_ns)
        assert START_NS <= published[-1] < START_NS + year_ns
