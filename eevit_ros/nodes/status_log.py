"""A node's status as a diagnostics message and as lines on the console."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eevit_ros.perception.status import ERROR, WARN, Status

LOG_PERIOD_S = 5.0


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
    """Logs what is wrong at most every few seconds, and once that it is over."""

    def __init__(self, logger: Any, subject: str) -> None:
        """Log lines that begin with `subject`."""
        self._logger = logger
        self._subject = subject
        self._complained = self._lasts = False

    def write(self, status: Status, lasting: str = '') -> None:
        """Log a status that is bad, or the first that is good again.

        Args:
            status: Status of now.
            lasting: Further problem, logged once however long it lasts; '' for none.
        """
        if lasting and not self._lasts:
            self._complained = True
            self._logger.warning(f'{self._subject}: {lasting}')
        self._lasts = bool(lasting)
        text = f'{self._subject}: {status.message}'
        # Two calls, because rclpy wants one severity a call; they return whether it was shown.
        if status.level == ERROR:
            self._complained |= self._logger.error(text, throttle_duration_sec=LOG_PERIOD_S)
        elif status.level == WARN:
            self._complained |= self._logger.warning(text, throttle_duration_sec=LOG_PERIOD_S)
        elif self._complained and not lasting:
            self._complained = False
            self._logger.info(f'{self._subject}: all is well again')
