"""The Fast DDS profile of a launched process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from eevit_ros.launching.shared import existing_file
from eevit_ros.nodes.dds_profile import FAST_DDS_OWN, PROFILE, VARIABLES, is_chosen


def default_profile(share: Path) -> str:
    """Return the path of the profile in the package's share folder."""
    return str(share / PROFILE)


def dds_environment(given: Mapping[str, str], default: str) -> dict[str, str]:
    """Return the variables that name the profile; the user's own environment beats our default.

    Raises:
        FileNotFoundError: The launch argument dds_profile is no file.
    """
    profile = given['dds_profile']
    is_none = profile in ('', 'none')
    if (is_none or profile == default) and is_chosen():
        return {}
    if is_none:
        return {FAST_DDS_OWN: 'DEFAULT'}
    return dict.fromkeys(VARIABLES, existing_file('dds_profile', given))
