"""The order in which people number files: 2 before 10."""

from __future__ import annotations

import re
from pathlib import Path


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sort key of a path's last part: numbers by value, all else by letter."""
    parts = re.split('([0-9]+)', path.name)
    return [(int(part), part) if index % 2 else (0, part) for index, part in enumerate(parts)]
