"""The time of a recording, going by again: what a player publishes on /clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

TICK_S = 0.01


class RecordedTime:
    """Recorded time on the steady clock; use it in a `with` statement.

    It stands at the start until `go`, and is told every 10 ms of the steady clock from a thread of
    its own: decoding a picture does not hold it up.
    """

    def __init__(self, start_ns: int, rate: float, tell: Callable[[int], None]) -> None:
        """Prepare to run.

        Args:
            start_ns: Where it stands first, nanoseconds.
            rate: How many times as fast as the steady clock it runs.
            tell: Is called with the time, nanoseconds, which never goes back.
        """
        self._start_ns, self._rate, self._tell = start_ns, rate, tell
        self._started_s: float | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name='recorded time')

    def __enter__(self) -> RecordedTime:
        """Begin to tell the time."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell it no more."""
        self._ended.set()
        self._thread.join()

    def go(self) -> None:
        """Let it run."""
        self._started_s = time.monotonic()

    def wait_until(self, time_ns: int, stop: threading.Event) -> bool:
        """Wait for a time, and tell it; return whether it came before `stop` was set.

        It may be over already: then it is later that is told.
        """
        left_s = (time_ns - self._now_ns()) * 1e-9 / self._rate
        if stop.wait(max(0.0, left_s)):
            return False
        self.tick()
        return True

    def tick(self) -> None:
        """Tell the time now."""
        with self._lock:  # an older time must not follow a newer one
            self._tell(self._now_ns())

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            self.tick()

    def _now_ns(self) -> int:
        if self._started_s is None:
            return self._start_ns
        elapsed_s = time.monotonic() - self._started_s
        return self._start_ns + round(elapsed_s * self._rate * 1e9)
