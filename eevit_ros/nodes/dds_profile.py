"""The Fast DDS profiles: of a process that sends images, and of one that shares no memory."""

from __future__ import annotations

import os
from pathlib import Path

from eevit_ros.parameters.shipped import shipped

VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Fast DDS 2 (Humble, Jazzy) reads the first, Fast DDS 3 the second."""

CHOICES = (*VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
"""What users set to choose transports themselves; empty means Fast DDS's own."""

PROFILE = Path('config', 'fastdds_shared_memory.xml')
UDP = Path('config', 'fastdds_udp.xml')


def is_chosen() -> bool:
    """Return whether the environment chooses the transports already."""
    return any(name in os.environ for name in CHOICES)


def take_profile() -> None:
    """Give this process the profile without which images get lost; before rclpy.init.

    Unless its environment chooses.
    """
    if not is_chosen():
        os.environ.update(dict.fromkeys(VARIABLES, str(shipped(PROFILE))))


def without_shared_memory() -> dict[str, str]:
    """Return the variables of a process that shares no memory; the user's choice beats them.

    Whoever is killed or frozen while it holds a lock in shared memory holds up the others, for up
    to a second a message. Small messages need no shared memory. Where the environment names the
    profile that sends images, it is meant for the camera driver.
    """
    chosen = [Path(os.environ[name]).name for name in CHOICES if name in os.environ]
    if any(name != PROFILE.name for name in chosen):
        return {}
    return dict.fromkeys(VARIABLES, str(shipped(UDP)))
