"""Where the files that ship with the package lie."""

from __future__ import annotations

import sys
from pathlib import Path


def shipped(path: Path) -> Path:
    """Return a file of the source tree, else of the installed package's share folder."""
    try:
        from ament_index_python.packages import get_package_share_directory

        installed = Path(get_package_share_directory('eevit_ros')) / path
    except (ImportError, LookupError, OSError):  # no ROS, not found, or nowhere to search
        installed = Path(sys.prefix, 'share', 'eevit_ros') / path
    source = Path(__file__).resolve().parents[2] / path
    return source if source.exists() else installed
