"""What a node says of itself in one diagnostics status. Plain Python, no ROS types."""

from __future__ import annotations

from dataclasses import dataclass, replace

# The levels of diagnostic_msgs/DiagnosticStatus.
OK, WARN, ERROR = 0, 1, 2

DISCOVERY_S = 5.0
"""So long after the start nobody is missed yet: publishers are found, cameras start."""


@dataclass(frozen=True)
class Status:
    """One diagnostics status: level, one line for people, values for tools.

    Attributes:
        level: The worst problem's.
        message: All problems, or that there is none.
        values: Facts and figures by name.
        problems: Level and text of each problem.
    """

    level: int
    message: str
    values: dict[str, str]
    problems: tuple[tuple[int, str], ...] = ()

    def with_problem(self, text: str, level: int = WARN) -> Status:
        """Return it with one more problem; unchanged where `text` is ''."""
        if not text:
            return self
        message = text if self.level == OK else f'{self.message}; {text}'
        return replace(
            self,
            level=max(self.level, level),
            message=message,
            problems=(*self.problems, (level, text)),
        )
