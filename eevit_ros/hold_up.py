"""Whether this process was held up: stopped, swapped out, or starved of the processor."""

from __future__ import annotations

SETTLE_S = 0.5
"""What waited in the middleware's queues has arrived so soon after the process goes on.

On an idle machine it takes milliseconds. From a reliable publisher it may take seconds, when that
sends again what was missed: one more reason why sensor data comes best effort.
"""


class HoldUp:
    """Tells messages that just came from messages that had to wait, whatever their stamps say."""

    def __init__(self, longest_s: float, now_s: float) -> None:
        """Start at `now_s` (steady clock); a pause longer than `longest_s` is a hold-up."""
        self.longest_s = longest_s
        self._seen_s = now_s
        self._over_s = now_s

    def see(self, now_s: float) -> bool:
        """Take note that the process runs, to be called several times within `longest_s`.

        Returns:
            Whether a message that arrives now may have waited for the end of a hold-up.
        """
        if now_s - self._seen_s > self.longest_s:
            self._over_s = now_s + SETTLE_S
        self._seen_s = now_s
        return now_s < self._over_s
