"""One parameter of a node: what it means, and which values it takes. Without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eevit_ros.errors import EevitError


@dataclass(frozen=True)
class Spec:
    """One parameter: its default, what it means, and the values it takes.

    Attributes:
        any_type: Whether values of several ROS types are taken: one number, a list of numbers and
            an empty list are three.
    """

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    any_type: bool = False

    def rule(self) -> str:
        """Return which choices there are, '' where everything in range is one."""
        several = 'one or more of' if isinstance(self.default, list) else 'one of'
        return f'{several} {", ".join(self.choices)}' if self.choices else ''

    def check(self, name: str, value: object) -> None:
        """Check a value against the choices; whoever read it has checked type and range.

        Raises:
            EevitError: It is none of them; names the parameter.
        """
        chosen: Any = value if isinstance(value, (list, tuple)) else [value]
        if self.choices and not (chosen and all(one in self.choices for one in chosen)):
            raise EevitError(f"parameter '{name}' must be {self.rule()}. Got {value!r}")
