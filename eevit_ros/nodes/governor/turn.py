"""Which of two governors speaks: one is heard, never two for long. Without ROS.

Each looks twenty times a second and tells the other, in a beat, whether it speaks. From that alone:

- Who speaks goes on. One that was killed and comes back stays silent: nobody notices.
- Who has heard for `takeover_after_s` that the other is gone or silent speaks, from the floor on.
- Of two that are silent the first speaks at once.
- Who speaks and hears the other speak says the floor and falls silent.
- Who was stopped or starved for `takeover_after_s` says the floor and falls silent: the other
  speaks by then.
"""

from __future__ import annotations

import math

from eevit_ros.perception.process_stall import ProcessStall

LOOK_S = 0.05
"""Between two looks, and between two beats."""

FIRST_MEETING_S, SECOND_MEETING_S = 5.0, 6.0
"""A just started one is silent for that long, while DDS discovers the other.

The first, which may be alone, waits for a beat of the second; the second for the first to speak.
"""


class Turn:
    """One governor's side; silent at first.

    It counts looks, not time: a beat that waits while this process is held up is heard before the
    next look.

    Attributes:
        speaks: Whether this one speaks; ask `may_speak` before it does.
    """

    def __init__(self, *, is_first: bool, takeover_after_s: float, now_s: float) -> None:
        """Begin to listen.

        Args:
            is_first: Whether this one speaks if both are silent.
            takeover_after_s: How long the other may be silent, seconds.
            now_s: Steady clock, seconds.
        """
        self.speaks = False
        self._is_first = is_first
        self._patience = math.ceil(takeover_after_s / LOOK_S)
        self._meeting = round((FIRST_MEETING_S if is_first else SECOND_MEETING_S) / LOOK_S)
        self._met = False
        self._stall = ProcessStall(takeover_after_s, now_s)
        self._last: bool | None = None  # whether the other spoke at its last beat
        self._beatless = self._silent = 0  # looks since its last beat; since it last spoke

    def hear(self, speaks: bool, now_s: float) -> None:
        """Take a beat of the other."""
        self._met |= self._is_first or speaks  # a silent first will speak by itself
        if self._stall.update(now_s):
            return  # it may have waited for this process and be of any age
        self._last, self._beatless = speaks, 0
        if speaks:
            self._silent = 0

    def look(self, now_s: float) -> bool:
        """Take or give up the word; call this every `LOOK_S`.

        Returns:
            Whether the floor must be said now: before all else, or as the last of it.
        """
        if self._stall.update(now_s):
            spoke = self.speaks
            self._listen()
            return spoke  # it may have been stopped while it sent a limit, and just have sent it
        self._silent += 1
        self._beatless += 1
        if self.speaks:
            if not self._last:
                return False
            self._listen()
        else:
            is_free = self._is_first and self._last is False and self.is_other_there()
            if not is_free and self._silent < (self._patience if self._met else self._meeting):
                return False
            self._listen()
            self.speaks = True
        return True

    def may_speak(self, now_s: float) -> bool:
        """Return whether this one speaks and was not held up since the last look."""
        return self.speaks and not self._stall.update(now_s)

    def is_other_there(self) -> bool:
        """Return whether the other's last beat came lately."""
        return self._last is not None and self._beatless <= self._patience

    def does_other_speak(self) -> bool:
        """Return whether that beat said so."""
        return bool(self._last) and self.is_other_there()

    def _listen(self) -> None:
        self.speaks, self._last = False, None
        self._beatless = self._silent = 0
