"""Ctrl-C in a training run: the step at hand is finished first."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Only note the first Ctrl-C while the context is open; yield whether there was one."""
    noted: list[int] = []

    def note(number: int, _: Any) -> None:
        noted.append(number)
        signal.signal(signal.SIGINT, before)  # the second one stops at once

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread, which gets no signals anyway
        yield lambda: False
        return
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, before)
