"""A report as a diagnostics status."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from eevit_ros.perception.status import Report


def status(name: str, report: Report, hardware_id: str) -> DiagnosticStatus:
    """Return the message for a report."""
    return DiagnosticStatus(
        level=bytes([report.level]),
        name=name,
        message=report.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in report.values.items()],
    )
