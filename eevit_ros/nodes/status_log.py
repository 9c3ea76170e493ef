"""A node's reports on the console: what is wrong, again and again or once, and that it is over."""

from __future__ import annotations

from typing import Any

from eevit_ros.perception.status import ERROR, WARN, Report

LOG_PERIOD_S = 5.0


class ReportLog:
    """Says what is wrong at most every few seconds."""

    def __init__(self, logger: Any, subject: str) -> None:
        """Log in the name of `subject`."""
        self._logger = logger
        self._subject = subject
        self._complained = self._lasts = False

    def say(self, report: Report, lasting: str = '') -> None:
        """Log a report if it is bad, or the first that is good again.

        Args:
            report: The news.
            lasting: A problem beside it that is said once, however long it lasts; '' for none.
        """
        if lasting and not self._lasts:
            self._complained = True
            self._logger.warning(f'{self._subject}: {lasting}')
        self._lasts = bool(lasting)
        text = f'{self._subject}: {report.message}'
        # Two calls, because rclpy wants one severity a call; they return whether it was shown.
        if report.level == ERROR:
            self._complained |= self._logger.error(text, throttle_duration_sec=LOG_PERIOD_S)
        elif report.level == WARN:
            self._complained |= self._logger.warning(text, throttle_duration_sec=LOG_PERIOD_S)
        elif self._complained and not lasting:
            self._complained = False
            self._logger.info(f'{self._subject}: all is well again')
