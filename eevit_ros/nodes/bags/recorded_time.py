"""A recording's time, running again: what the player publishes on /clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

TICK_S = 0.01


class RecordedTime:
    """Recorded time driven by the steady clock; use it in a `with` statement.

    It stands still until `start`. A thread of its own publishes it every 10 ms, so that decoding a
    picture does not delay it.
    """

    def __init__(self, start_ns: int, rate: float, publish: Callable[[int], None]) -> None:
        """Prepare the clock; entering the `with` statement starts publishing.

        Args:
            start_ns: Time at which it stands first, nanoseconds.
            rate: Speed relative to the steady clock.
            publish: Called with the time, nanoseconds, which goes back only where the recorder's
                clock was set back.
        """
        self._start_ns, self._rate, self._publish = start_ns, rate, publish
        self._set_ns = 0
        self._started_s: float | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name='recorded time')

    def __enter__(self) -> RecordedTime:
        """Start publishing."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop publishing."""
        self._ended.set()
        self._thread.join()

    def start(self) -> None:
        """Let the time run."""
        self._started_s = time.monotonic()

    def skip(self, gap_ns: int) -> None:
        """Let the time jump ahead."""
        with self._lock:
            self._start_ns += gap_ns

    def wait_until(self, time_ns: int, stop: threading.Event, set_ns: int = 0) -> bool:
        """Wait for a time and publish the time then; return False if `stop` was set before it.

        A time that has passed is not waited for.

        Args:
            time_ns: By a clock that is never set.
            stop: Ends the waiting.
            set_ns: How far the recorder's clock was set by then.
        """
        left_s = (time_ns - self._now_ns()) * 1e-9 / self._rate
        if stop.wait(max(0.0, left_s)):
            return False
        with self._lock:
            self._set_ns = set_ns
        self._tick()
        return True

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            self._tick()

    def _tick(self) -> None:
        with self._lock:  # an older time must not follow a newer one
            self._publish(self._now_ns() + self._set_ns)

    def _now_ns(self) -> int:
        if self._started_s is None:
            return self._start_ns
        elapsed_s = time.monotonic() - self._started_s
        return self._start_ns + round(elapsed_s * self._rate * 1e9)
