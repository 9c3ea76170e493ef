"""What a node says of itself in one diagnostics status. Plain Python, no ROS types."""

from __future__ import annotations

from dataclasses import dataclass

# The levels of diagnostic_msgs/DiagnosticStatus.
OK, WARN, ERROR = 0, 1, 2


@dataclass(frozen=True)
class Report:
    """One diagnostics status: level, one line for people, values for tools."""

    level: int
    message: str
    values: dict[str, str]
