"""Whether this process stalled: it was stopped, swapped out, or starved of the processor."""

from __future__ import annotations

from collections.abc import Callable

SETTLE_S = 0.5
"""What waited in the middleware's queues has arrived this long after the process goes on.

On an idle machine it takes milliseconds. From a reliable publisher it may take seconds, when that
sends again what was missed: one more reason why sensor data comes best effort.
"""


class ProcessStall:
    """Tells messages that just came from messages that had to wait, whatever their stamps say.

    Attributes:
        longest_s: A longer pause is a stall, seconds.
    """

    def __init__(
        self, longest_s: float, now_s: float, on_stall: Callable[[float], object] | None = None
    ) -> None:
        """Start to watch.

        Args:
            longest_s: A longer pause is a stall, seconds.
            now_s: Steady clock, seconds.
            on_stall: Called after each stall with its length, seconds.
        """
        self.longest_s = longest_s
        self._on_stall = on_stall
        self._last_s = now_s
        self._over_s = now_s

    def update(self, now_s: float) -> bool:
        """Note that the process runs; to be called several times within `longest_s`.

        Returns:
            Whether a message that arrives now may have waited for the end of a stall.
        """
        if now_s - self._last_s > self.longest_s:
            self._over_s = now_s + SETTLE_S
            if self._on_stall is not None:
                self._on_stall(now_s - self._last_s)
        self._last_s = now_s
        return now_s < self._over_s
