"""What has been the case without a break for some time."""

from __future__ import annotations

from collections.abc import Iterable


class Lasting:
    """Tells what lasts from what comes and goes; reads no clock."""

    def __init__(self, after_s: float) -> None:
        """Call lasting what has been the case for `after_s` seconds."""
        self._after_s = after_s
        self._since_s: dict[str, float] = {}

    def of(self, present: Iterable[str], now_s: float) -> list[str]:
        """Return which of what is the case now has been so for long, sorted.

        Args:
            present: All that is the case; to be told often, for a break between two looks is none.
            now_s: The time, steady clock.
        """
        self._since_s = {what: self._since_s.get(what, now_s) for what in present}
        return sorted(what for what, s in self._since_s.items() if now_s - s >= self._after_s)
