"""Settings whose fields are a node's parameters, each stated once: in the class that uses it.

A settings class is a frozen dataclass. `parameter` states a field's default, meaning and allowed
values, `group` nests another settings class. Declaration on the node, checks, the replay's `-p`,
config/*.yaml and docs/parameters.md all come from `specs`. Without ROS.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from eevit_ros.errors import EevitError

T = TypeVar('T')


@dataclass(frozen=True)
class Spec:
    """One parameter: default, meaning, allowed values.

    Attributes:
        default: Value as ROS has it; its type is the parameter's.
        description: Meaning, for people.
        low: Least allowed number; None without a range.
        high: Greatest allowed number; None without a range.
        choices: Allowed values, or elements of a list; empty for any.
        live: Whether it may change while the node is configured.
        any_type: Whether values of several ROS types are taken: one number, a list of numbers and
            an empty list are three.
        convert: Turns a checked value into the setting; may raise `EevitError`.
    """

    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    any_type: bool = False
    convert: Callable[[Any], Any] | None = None

    def rule(self) -> str:
        """Return which choices there are, '' if there are none."""
        several = 'one or more of' if isinstance(self.default, list) else 'one of'
        return f'{several} {", ".join(self.choices)}' if self.choices else ''

    def checked(self, name: str, value: Any) -> Any:
        """Return a value of the parameter's type, within its range and of its choices.

        A whole number may stand for a float, None for an empty list, whose type ROS cannot tell.

        Raises:
            EevitError: The value is wrong; names the parameter.
        """
        if self.any_type:
            return value
        kind = type(self.default)
        lists = (list, tuple, array, type(None))  # rclpy gives numbers as an array
        allowed: Any = {float: (float, int), list: lists}.get(kind, kind)
        if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
            raise EevitError(f"parameter '{name}' must be of type {kind.__name__}. Got {value!r}")
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            rule = f'within [{self.low}, {self.high}]'
            raise EevitError(f"parameter '{name}' must be {rule}. Got {value!r}")
        if kind is float:
            return float(value)
        plain = list(value or ()) if kind is list else value
        chosen = plain if kind is list else [plain]
        if self.choices and not (chosen and all(one in self.choices for one in chosen)):
            raise EevitError(f"parameter '{name}' must be {self.rule()}. Got {value!r}")
        return plain

    def setting(self, name: str, value: Any) -> Any:
        """Return the setting that a value makes: checked, and converted.

        Raises:
            EevitError: The value is wrong; names the parameter.
        """
        value = self.checked(name, value)
        if self.convert is not None:
            return self.convert(value)
        return tuple(value) if isinstance(self.default, list) else value


def parameter(
    default: Any, description: str, low: float | None = None, high: float | None = None, **more: Any
) -> Any:
    """Return a field that is a parameter; arguments as the attributes of `Spec`."""
    spec = Spec(default, description, low, high, **more)
    return field(default_factory=lambda: spec.setting('', default), metadata={'spec': spec})


def group(settings: type, prefix: str = '') -> Any:
    """Return a field that holds another settings class, whose parameters get a prefix."""
    return field(default_factory=settings, metadata={'group': settings, 'prefix': prefix})


def specs(settings: type, prefix: str = '') -> dict[str, Spec]:
    """Return the parameters of a settings class by name, in the order of its fields."""
    found: dict[str, Spec] = {}
    for one in fields(settings):
        if 'group' in one.metadata:
            found |= specs(one.metadata['group'], prefix + one.metadata['prefix'])
        else:
            found[prefix + one.name] = one.metadata['spec']
    return found


def from_values(settings: type[T], values: Mapping[str, Any], prefix: str = '') -> T:
    """Return the settings that values make, by parameter name; the rest takes its defaults.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    made = {}
    for one in fields(settings):  # type: ignore[arg-type]
        name = prefix + one.name
        if 'group' in one.metadata:
            inner = prefix + one.metadata['prefix']
            made[one.name] = from_values(one.metadata['group'], values, inner)
        else:
            spec: Spec = one.metadata['spec']
            made[one.name] = spec.setting(name, values.get(name, spec.default))
    return settings(**made)


def check(settings: Any, prefix: str = '') -> None:
    """Check every parameter of a settings object; for `__post_init__`.

    Raises:
        EevitError: A value is wrong; names the parameter.
    """
    for one in fields(settings):
        if 'spec' in one.metadata:
            name = prefix + one.name
            one.metadata['spec'].setting(name, getattr(settings, one.name))
