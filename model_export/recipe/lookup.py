"""Find the class that a recipe names: by a short name, or in a module of the user's."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from model_export.errors import ModelExportError


def find_class(
    what: str, name: str, known: Mapping[str, type[Any]], bases: tuple[type[Any], ...]
) -> type[Any]:
    """Look a class up by its short name, or import it as `module.Class`.

    Args:
        what: Kind of class, for errors: 'head'.
        name: Name in the recipe.
        known: Classes by their short names.
        bases: Base classes; a class of the user's must derive from one of them.

    Raises:
        ModelExportError: The name is unknown, cannot be imported, or is of another kind.
    """
    if name in known:
        return known[name]
    module, dot, attribute = name.rpartition('.')
    if not dot:
        raise ModelExportError(
            f'unknown {what} {name!r}; known are {sorted(known)} and your own as module.Class'
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as err:
        raise ModelExportError(f'{what} {name!r} cannot be imported: {err}') from err
    if not (isinstance(found, type) and issubclass(found, bases)):
        wanted = ' or '.join(base.__name__ for base in bases)
        raise ModelExportError(
            f'{what} {name!r} must be a class derived from {wanted}. Got {found!r}'
        )
    return found
