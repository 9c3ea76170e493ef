"""A node's status as a diagnostics message and as lines on the console."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eevit_ros.perception.status import ERROR, OK, Status

LOG_PERIOD_S = 5.0
"""Between two lines, unless the second is worse."""

REPEAT_S = 60.0
"""Until a problem that lasts, or comes and goes, is told again."""

CALM_S = 10.0
"""Without any problem for so long, all is well again."""


def status_message(name: str, status: Status, hardware_id: str) -> DiagnosticStatus:
    """Return a status as a message."""
    return DiagnosticStatus(
        level=bytes([status.level]),
        name=name,
        message=status.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
    )


class StatusLog:
    """Logs problems when they come, then once a minute with a count, and that they are over.

    What comes and goes (a scene on which some answers are unsure) is one problem that lasts, told
    no more often than that.
    """

    def __init__(
        self, logger: Any, subject: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Log lines that name `subject`."""
        self._logger = logger
        self._subject = subject
        self._clock = clock
        self._known: dict[str, _Problem] = {}
        self._line_s = self._bad_s = -math.inf  # time of the last line, of the last problem
        self._line_level = OK
        self._complained = False

    def write(self, status: Status) -> None:
        """Log what is new or due of a status; call this about once a second."""
        now_s = self._clock()
        self._forget(now_s)
        present = [self._noted(level, text, now_s) for level, text in status.problems if level > OK]
        if present:
            self._bad_s = now_s
        due = [problem for problem in present if now_s - problem.told_s >= REPEAT_S]
        if due and (now_s - self._line_s >= LOG_PERIOD_S or status.level > self._line_level):
            self._tell(status, max(due, key=lambda problem: problem.count), now_s)
            for problem in present:
                problem.told_s, problem.count = now_s, 0
        elif self._complained and now_s - self._bad_s >= CALM_S:
            self._complained, self._line_level = False, OK
            self._logger.info(self._line('all is well again'))

    def _tell(self, status: Status, problem: _Problem, now_s: float) -> None:
        text = self._line(status.message)
        if problem.told_s > -math.inf:
            text += f' ({problem.count} times in {now_s - problem.told_s:.0f} s)'
        # Two calls, because rclpy wants one severity a call.
        if status.level == ERROR:
            self._logger.error(text)
        else:
            self._logger.warning(text)
        self._complained, self._line_s, self._line_level = True, now_s, status.level

    def _line(self, text: str) -> str:
        return text if self._subject in text else f'{self._subject}: {text}'

    def _noted(self, level: int, text: str, now_s: float) -> _Problem:
        # Its figures, and the names that it quotes, change from one second to the next.
        problem = self._known.setdefault(re.sub(r"'[^']*'|[\d.]+", '#', text), _Problem())
        problem.level, problem.seen_s = level, now_s
        problem.count += 1
        return problem

    def _forget(self, now_s: float) -> None:
        """Forget what is over: an error, when it is calm; a warning not before it may be told."""
        self._known = {
            kind: x
            for kind, x in self._known.items()
            if now_s - x.seen_s < CALM_S or (x.level < ERROR and now_s - x.told_s < REPEAT_S)
        }


@dataclass
class _Problem:
    """One kind of problem: when it was seen and told last, and how often it was seen since."""

    level: int = OK
    seen_s: float = -math.inf
    told_s: float = -math.inf
    count: int = 0
