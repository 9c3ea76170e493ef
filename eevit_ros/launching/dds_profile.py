"""The Fast DDS profile of a launched process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from eevit_ros.launching.shared import existing_file

# Fast DDS 2 (Humble, Jazzy) reads the first, Fast DDS 3 the second.
VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def default_profile(share: Path) -> str:
    """Return the path of the profile in the package's share folder."""
    return str(share / 'config' / 'fastdds_shared_memory.xml')


def dds_environment(given: Mapping[str, str], default: str) -> dict[str, str]:
    """Return the variables that name the profile; the user's own environment beats our default.

    Raises:
        FileNotFoundError: The launch argument dds_profile is no file.
    """
    set_by_user = any(os.environ.get(name) for name in VARIABLES)
    profile = given['dds_profile']
    if profile in ('', 'none') or (profile == default and set_by_user):
        return {}
    return dict.fromkeys(VARIABLES, existing_file('dds_profile', given))
