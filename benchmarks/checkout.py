"""Other people's code, imported from a checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


def modules_in(folder: Path, *names: str) -> list[Any]:
    """Return modules that a folder holds; it is on the path of imports only meanwhile."""
    sys.path.insert(0, str(folder))
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
