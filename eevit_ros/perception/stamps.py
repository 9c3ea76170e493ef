"""What the stamps of a camera's frames tell: how old a frame is, and whether stamps tell at all."""

from __future__ import annotations

from collections import Counter, deque

AHEAD_MS = 50.0
"""A stamp so little ahead of the clock counts as age 0.

Clocks that chrony or PTP keep together differ by milliseconds, and a simulation's clock lags behind
its stamps by up to one of its periods (25 ms at 40 Hz).
"""

OLDEST_MS = 10_000.0

MISMATCH = 'clock mismatch'
USELESS = 'useless stamps'

WINDOW = 120
"""Frames whose stamps are looked at."""

ENOUGH = 3
"""Strange stamps within the window that make all useless; one may be a clock that was set."""

STILL_S = 0.3
"""Different pictures may share a stamp so long: ages by a clock of a few Hz still serve."""

SECOND_NS = 1_000_000_000
YEAR_S = 365.25 * 24 * 3600

_UNSET, _STILL, _BACKWARDS = 'unset', 'still', 'backwards'


def frame_age_ms(stamp_ns: int, now_ns: int) -> float | None:
    """Return the milliseconds from a frame's stamp to now.

    Args:
        stamp_ns: The header's stamp, nanoseconds.
        now_ns: Now, on the clock that stamps the frames, nanoseconds.

    Returns:
        The age, 0 for a stamp up to `AHEAD_MS` ahead; None when the two clocks do not agree: a
        stamp of zero, further in the future, or older than `OLDEST_MS`.
    """
    age_ms = (now_ns - stamp_ns) / 1e6
    if stamp_ns == 0 or not -AHEAD_MS <= age_ms <= OLDEST_MS:
        return None
    return max(0.0, age_ms)


def mismatch(behind_s: float) -> str:
    """Describe a clock mismatch, and what to do.

    Args:
        behind_s: Seconds from the stamp to the clock of this node; negative for a stamp ahead.
    """
    where = 'behind' if behind_s > 0 else 'ahead of'
    if abs(behind_s) > YEAR_S:
        distance = f'{abs(behind_s) / YEAR_S:.0f} years'
        cure = 'does the driver stamp with the time since its boot, or is use_sim_time set wrongly?'
    else:
        distance = f'{abs(behind_s):.3f} s'
        cure = 'synchronise the clocks of camera and computer (chrony, PTP)'
    return (
        f"{MISMATCH}: an image stamp is {distance} {where} this node's clock (from "
        f'{AHEAD_MS:g} ms ahead to {OLDEST_MS / 1e3:g} s behind is an age): {cure}'
    )


def useless(fault: str) -> str:
    """Describe stamps with a fault (`StampWatch.fault`), and what to do; '' for no fault."""
    if not fault:
        return ''
    cure = 'make the driver stamp each picture when it is taken'
    return f'{USELESS}: image stamps {fault}, so the age of answers is unknown: {cure}'


class StampWatch:
    """Notices stamps that tell no age: never set, not moving on, whole seconds, going backwards.

    Attributes:
        fault: What is wrong with the stamps now ('are whole seconds'); '' for nothing.
    """

    def __init__(self) -> None:
        """Start before the first frame."""
        self.fault = ''
        self._stamp_ns = -1
        self._since_s = 0.0  # when this stamp first came
        self._window: deque[tuple[str, bool]] = deque(maxlen=WINDOW)
        self._strange: Counter[str] = Counter()  # of the window
        self._whole = 0  # stamps of the window without a part of a second

    def update(self, stamp_ns: int, now_s: float, *, repeated: bool) -> None:
        """Take a frame.

        Args:
            stamp_ns: The header's stamp, nanoseconds.
            now_s: When it came, steady clock, seconds.
            repeated: Whether its picture is that of the frame before, which may share its stamp.
        """
        strange = ''
        if stamp_ns == 0:
            strange = _UNSET
        elif stamp_ns < self._stamp_ns:
            strange = _BACKWARDS
        elif stamp_ns == self._stamp_ns and not repeated and now_s - self._since_s >= STILL_S:
            strange = _STILL
        if stamp_ns != self._stamp_ns:
            self._stamp_ns, self._since_s = stamp_ns, now_s
        self._count(strange, stamp_ns % SECOND_NS == 0)
        self.fault = self._judge()

    def _count(self, strange: str, is_whole: bool) -> None:
        if len(self._window) == WINDOW:
            old, was_whole = self._window[0]  # which `append` drops
            self._strange[old] -= 1
            self._whole -= was_whole
        self._window.append((strange, is_whole))
        self._strange[strange] += 1
        self._whole += is_whole

    def _judge(self) -> str:
        if self._window[-1][0] == _UNSET:
            return 'are never set (0)'
        if self._strange[_STILL] >= ENOUGH:
            if self._whole == len(self._window):
                return 'are whole seconds'
            return f'stand still for {STILL_S:g} s and longer while the pictures change'
        if self._strange[_BACKWARDS] >= ENOUGH:
            back = self._strange[_BACKWARDS]
            return f'go backwards in {back} of the last {len(self._window)} frames'
        return ''
