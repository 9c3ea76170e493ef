"""Whether this process was held up: stopped, swapped out, or starved of the processor."""

from __future__ import annotations

from collections.abc import Callable

SETTLE_S = 0.5
"""What waited in the middleware's queues has arrived so soon after the process goes on.

On an idle machine it takes milliseconds. From a reliable publisher it may take seconds, when that
sends again what was missed: one more reason why sensor data comes best effort.
"""


class HoldUp:
    """Tells messages that just came from messages that had to wait, whatever their stamps say."""

    def __init__(
        self, longest_s: float, now_s: float, held_up: Callable[[float], object] | None = None
    ) -> None:
        """Start to watch.

        Args:
            longest_s: A longer pause is a hold-up.
            now_s: Steady clock, seconds.
            held_up: Called after each hold-up with its seconds.
        """
        self.longest_s = longest_s
        self._held_up = held_up
        self._seen_s = now_s
        self._over_s = now_s

    def see(self, now_s: float) -> bool:
        """Take note that the process runs, to be called several times within `longest_s`.

        Returns:
            Whether a message that arrives now may have waited for the end of a hold-up.
        """
        if now_s - self._seen_s > self.longest_s:
            self._over_s = now_s + SETTLE_S
            if self._held_up is not None:
                self._held_up(now_s - self._seen_s)
        self._seen_s = now_s
        return now_s < self._over_s
