"""From YAML to dataclasses that check themselves: what does not fit becomes one clear error."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from model_export.errors import ModelExportError

T = TypeVar('T')


def read_yaml(path: Path, what: str) -> Any:
    """Read a YAML file, called `what` in the error.

    Raises:
        ModelExportError: The file is missing or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text())
    except (
        OSError,
        ValueError,
        LookupError,
        AttributeError,
        RecursionError,
        yaml.YAMLError,
    ) as err:
        # Beside its own errors PyYAML lets out those of its constructors: '!!bool x', 2020-13-45.
        raise ModelExportError(f'cannot read {what} {path}: {err}') from err


def in_range(recipe: Any, name: str, holds: Callable[[Any], object], words: str) -> None:
    """Refuse a dataclass whose field `name` is not what `words` say."""
    value = getattr(recipe, name)
    if not holds(value):
        raise ModelExportError(f'{name} must be {words}. Got {value!r}')


def build(cls: type[T], where: str, data: Any) -> T:
    """Make a dataclass of a mapping, or name the key of it that does not fit.

    Args:
        cls: The dataclass; its `__post_init__` checks ranges.
        where: Name of the mapping in errors.
        data: The mapping, as YAML holds it.

    Raises:
        ModelExportError: A key is unknown or missing, or a value has another type or range.
    """
    if not isinstance(data, dict):
        raise ModelExportError(f'{where} must be a mapping. Got {data!r}')
    kinds = get_type_hints(cls)
    unknown = sorted(set(data) - set(kinds), key=str)
    if unknown:
        raise ModelExportError(f'{where} has unknown keys {unknown}; known are {sorted(kinds)}')
    try:
        return cls(**{key: _fit(value, kinds[key], key) for key, value in data.items()})
    except (TypeError, ModelExportError) as err:
        raise ModelExportError(f'{where}: {err}') from err


def _fit(value: Any, kind: Any, key: str) -> Any:
    """Convert a value to a field of type `kind`, or raise an error that names the key."""
    if get_origin(kind) is tuple:
        if isinstance(value, (list, tuple)):
            inner = get_args(kind)
            if inner[-1] is Ellipsis:
                inner = inner[:1] * len(value)
            if len(value) == len(inner):
                return tuple(_fit(v, k, key) for v, k in zip(value, inner, strict=True))
        raise ModelExportError(f'{key} must be a list of {len(get_args(kind))}. Got {value!r}')
    if isinstance(value, bool) and kind is not bool:
        pass  # a bool is an int in Python, but not in a recipe
    elif kind is float and isinstance(value, (int, float, str)):
        with contextlib.suppress(ValueError):
            number = float(value)  # a string too: YAML takes 1e-3, without a dot, for one
            if math.isfinite(number):
                return number
    elif isinstance(value, kind if isinstance(kind, UnionType) else get_origin(kind) or kind):
        return value
    words = {int: 'a whole number', float: 'a number', str: 'text', bool: 'true or false'}
    raise ModelExportError(f'{key} must be {words.get(kind, "a mapping")}. Got {value!r}')
