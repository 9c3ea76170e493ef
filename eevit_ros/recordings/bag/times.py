"""Times of a bag: when its images arrived by a clock that runs evenly, and what is wrong with them.

Log times come from the recorder's clock. It may start in 1970 and be set by NTP, it reads 0 before
the first /clock, and a file can be damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eevit_ros.recordings.bag.messages import Loss, Recorded
from eevit_ros.recordings.stamps import SECOND_NS, stamp_text

STAMP_END_NS = 2**31 * SECOND_NS
"""Where the seconds of a ROS 2 stamp end, in January 2038."""

_BACK_NS = SECOND_NS  # less is two threads of a recorder; a clock that goes back by more was set
_JUMP_NS = 600 * SECOND_NS  # a larger step ahead is told
_PAUSE_NS = 86_400 * SECOND_NS  # a clock that goes ahead by more was set
_END_NS = STAMP_END_NS - 10 * _PAUSE_NS  # so that a replay's answers, too, can be stamped


def goes_back(times_ns: Iterable[tuple[int, int]]) -> bool:
    """Return whether a clock was set back between two messages of a topic.

    Args:
        times_ns: Number of the topic and log time of each message, in the order of writing.
    """
    last: dict[int, int] = {}
    for topic, time_ns in times_ns:
        if time_ns < last.get(topic, time_ns) - _BACK_NS:
            return True
        last[topic] = time_ns
    return False


def with_following(
    items: Iterable[tuple[Path, Recorded | Loss]],
) -> Iterator[tuple[Path, Recorded | Loss, int | None]]:
    """Add to each item the log time of the next message; None after the last one."""
    held: list[tuple[Path, Recorded | Loss]] = []
    for path, item in items:
        if isinstance(item, Recorded):
            for one in held:
                yield (*one, item.log_ns)
            held.clear()
        held.append((path, item))
    for one in held:
        yield (*one, None)


@dataclass
class Finding:
    """Counts what is wrong, and keeps the first case.

    Attributes:
        what: 'log time(s)'.
        predicate: 'go backwards'.
        advice: ': the clock was set', or ''.
    """

    what: str
    predicate: str
    advice: str = ''
    count: int = 0
    first: str = ''

    def add(self, index: int, case: str) -> None:
        """Count the case of an image."""
        self.count += 1
        self.first = self.first or f'image {index}, {case}'

    def problems(self, where: str) -> list[str]:
        """Return a sentence if there was any case."""
        if not self.count:
            return []
        return [
            f'{self.count} {self.what} {where} {self.predicate}, the first: '
            f'{self.first}{self.advice}'
        ]


class HeaderStamps:
    """The stamps of the pictures on one topic, in the order in which they are shown."""

    def __init__(self) -> None:
        """Start before the first picture."""
        self._last_ns = -STAMP_END_NS
        self._backwards = Finding('header stamp(s)', 'go backwards')
        self._unusable = Finding(
            'header stamp(s)', 'are outside the times of ROS 2', ': taken as received'
        )

    def usable(self, index: int, stamp_ns: int, received_ns: int) -> int:
        """Return the stamp of the next picture, or when it was received if that cannot be."""
        if not -STAMP_END_NS <= stamp_ns < STAMP_END_NS:
            self._unusable.add(index, stamp_text(stamp_ns))
            stamp_ns = received_ns
        elif stamp_ns < self._last_ns:
            self._backwards.add(index, f'{stamp_text(stamp_ns)} after {stamp_text(self._last_ns)}')
        self._last_ns = stamp_ns
        return stamp_ns

    def problems(self, where: str) -> list[str]:
        """Return what is wrong, one sentence each."""
        return self._backwards.problems(where) + self._unusable.problems(where)


@dataclass
class LogTimes:
    """The clock of a recorder, from the log times of its images.

    Attributes:
        received_ns: When the last image arrived; never falls. Starts as the recorder's clock and
            runs on evenly where that was set.
        set_ns: By how much it was set so far: it read `received_ns + set_ns`.
    """

    received_ns: int = 0
    set_ns: int = 0
    _images: int = 0
    _before_ns: int | None = None
    _step_ns: int = 0
    _first_ns: int = 0
    _wrong: Finding = field(
        default_factory=lambda: Finding(
            'log time(s)', 'are wrong', ': each such image counts as come between its neighbours'
        )
    )
    _jumps: Finding = field(
        default_factory=lambda: Finding(
            'log time(s)', 'jump', ': the clock was set, or the recording paused'
        )
    )
    _backwards: Finding = field(default_factory=lambda: Finding('log time(s)', 'go backwards'))

    def update(self, log_ns: int, following_ns: int | None, stamp_ns: int | None) -> None:
        """Take the next image.

        Args:
            log_ns: Its log time, any integer.
            following_ns: That of the image after it; None for the last one.
            stamp_ns: Its header stamp; None where it is unknown.
        """
        index, before_ns = self._images, self._before_ns
        self._images += 1
        if self._is_wrong(log_ns, following_ns, stamp_ns):
            self._wrong.add(index, stamp_text(log_ns))
            self._guess(following_ns, stamp_ns)
        else:
            if before_ns is not None:
                self._step(index, before_ns, log_ns, following_ns)
            self._before_ns = log_ns
            self.received_ns = max(self.received_ns, log_ns - self.set_ns)
        # Steps of decades add up beyond it.
        self.received_ns = min(self.received_ns, _END_NS)
        self._first_ns = self._first_ns if index else self.received_ns

    def problems(self, where: str) -> list[str]:
        """Return what is wrong, one sentence each."""
        found = [
            x for one in (self._wrong, self._jumps, self._backwards) for x in one.problems(where)
        ]
        if self._images > 1 and self.received_ns == self._first_ns:
            found.append(
                f'all {self._images} images {where} have the log time '
                f'{stamp_text(self._first_ns)}: rates, ages and drops mean nothing'
            )
        return found

    def _is_wrong(self, log_ns: int, following_ns: int | None, stamp_ns: int | None) -> bool:
        """Return whether a log time stands alone, with a clock that ran on before and after it."""
        if not _is_possible(log_ns):
            return True
        before_ns = self._before_ns
        near_ns = following_ns if before_ns is None else before_ns
        if near_ns is None or not _is_possible(near_ns):
            return False
        follows = before_ns is None or _follows(log_ns, before_ns)
        if follows and (following_ns is None or _follows(following_ns, log_ns)):
            return False
        if before_ns is not None and following_ns is not None:
            return _follows(following_ns, before_ns)
        # The first or the last image: its stamp decides.
        return (
            stamp_ns is not None and not _follows(log_ns, stamp_ns) and _follows(near_ns, stamp_ns)
        )

    def _guess(self, following_ns: int | None, stamp_ns: int | None) -> None:
        """Guess when an image of a wrong log time arrived."""
        before_ns = self._before_ns
        if before_ns is None:
            known = (x for x in (following_ns, stamp_ns) if x is not None and _is_possible(x))
            guess_ns = next(known, 0)
        elif following_ns is not None and _follows(following_ns, before_ns):
            guess_ns = (before_ns + following_ns) // 2 - self.set_ns
        else:
            guess_ns = self.received_ns + self._step_ns
        self.received_ns = max(self.received_ns, guess_ns)

    def _step(self, index: int, before_ns: int, log_ns: int, following_ns: int | None) -> None:
        step_ns = log_ns - before_ns
        case = f'{stamp_text(log_ns)} after {stamp_text(before_ns)}'
        if not _follows(log_ns, before_ns):
            self._jumps.add(index, case)
            next_ns = 0 if following_ns is None else following_ns - log_ns
            if step_ns > _PAUSE_NS and before_ns and max(self._step_ns, next_ns) > _PAUSE_NS:
                self._step_ns = step_ns  # again and again: a time lapse
            # 0 is no time: there was no /clock yet.
            elif step_ns < 0 or step_ns > _PAUSE_NS or not before_ns:
                self.set_ns = log_ns - self.received_ns - self._step_ns
        elif step_ns < 0:
            self._backwards.add(index, case)
        else:
            self._step_ns = step_ns


def _is_possible(time_ns: int) -> bool:
    return 0 <= time_ns < _END_NS


def _follows(later_ns: int, earlier_ns: int) -> bool:
    return -_BACK_NS <= later_ns - earlier_ns <= _JUMP_NS
