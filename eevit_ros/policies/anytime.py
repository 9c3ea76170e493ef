"""The best answer so far when the time is up.

Reference:
    Zilberstein, Using Anytime Algorithms in Intelligent Systems, AI Magazine 1996.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from eevit_ros.errors import EevitError
from eevit_ros.policies.base import ExitReading, Policy, Probabilities

TIME_IS_UP = np.inf  # above every threshold


class Anytime(Policy):
    """Leaves with the best answer so far when the next exit would be too late.

    The best answer is that of the exit with the highest held-out accuracy, for all images alike; on
    the first demo model, taking the most confident one was right up to 1.4 points less often. It
    also leaves when that answer is sure enough; with thresholds of 1 only time counts.
    """

    def __init__(
        self,
        spent_ms: Sequence[float],
        budget_ms: float,
        accuracy: Sequence[float],
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Make a policy for one model on one machine.

        Args:
            spent_ms: E + 1 rising times until each exit has answered, milliseconds.
            budget_ms: Time for one image, milliseconds.
            accuracy: E + 1 held-out shares of right answers.
            clock: Clock in seconds, on the robot `time.perf_counter`: then only the steps between
                exits come from `spent_ms`. None, for offline use, relies on `spent_ms` alone.

        Raises:
            EevitError: The budget is too short for the first exit, the times do not rise, or the
                number of accuracies differs.
        """
        times = np.array(spent_ms, np.float64)
        if times.ndim != 1 or len(times) < 2 or not (np.diff(times, prepend=0.0) > 0).all():
            raise EevitError(f'spent_ms must be two or more rising times. Got {spent_ms!r}')
        if not budget_ms >= times[0]:  # refuses NaN, too
            raise EevitError(
                f'a budget of {budget_ms:g} ms is too short: the first exit answers after '
                f'{times[0]:g} ms'
            )
        if len(accuracy) != len(times):
            raise EevitError(
                f'accuracy must have a value for each of {len(times)} exits. Got {accuracy!r}'
            )
        self._spent_ms, self._budget_ms, self._clock = times, budget_ms, clock
        self._best_exit = [
            max(range(e + 1), key=lambda one: (accuracy[one], one)) for e in range(len(times))
        ]
        self.start()

    @classmethod
    def on_the_robot(
        cls, spent_ms: Sequence[float], budget_ms: float, accuracy: Sequence[float]
    ) -> Anytime:
        """Return a policy that reads the steady clock; `start` it when the image arrives."""
        return cls(spent_ms, budget_ms, accuracy, clock=time.perf_counter)

    def start(self) -> None:
        """Start the clock and forget the last answer."""
        self._best: Probabilities | None = None
        self._seen = 0
        self._started_s = self._clock() if self._clock else 0.0

    def read(self, probabilities: Probabilities) -> ExitReading:
        """Keep this exit's answer if it is the best so far."""
        if self._best is None or self._best_exit[self._seen] == self._seen:
            self._best = probabilities
        measure = np.minimum(self._best.max(axis=-1), 1)
        if self._is_last():
            measure = np.full_like(measure, TIME_IS_UP)
        self._seen += 1
        return ExitReading(measure.astype(np.float32), self._best)

    def _is_last(self) -> bool:
        """Return whether the exit after the one being read would be too late."""
        if self._seen + 1 >= len(self._spent_ms):
            return True
        here, following = self._spent_ms[self._seen : self._seen + 2]
        elapsed = (self._clock() - self._started_s) * 1e3 if self._clock else here
        return bool(elapsed + following - here > self._budget_ms)
