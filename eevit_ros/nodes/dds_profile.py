"""The Fast DDS profile of a process that sends images: without it most of them get lost."""

from __future__ import annotations

import os
from pathlib import Path

from eevit_ros.parameters.shipped import shipped

VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Fast DDS 2 (Humble, Jazzy) reads the first, Fast DDS 3 the second."""

CHOICES = (*VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
"""What users set to choose transports themselves; empty means Fast DDS's own."""

PROFILE = Path('config', 'fastdds_shared_memory.xml')


def is_chosen() -> bool:
    """Return whether the environment chooses the transports already."""
    return any(name in os.environ for name in CHOICES)


def take_profile() -> None:
    """Give this process the shipped profile unless its environment chooses; before rclpy.init."""
    if not is_chosen():
        os.environ.update(dict.fromkeys(VARIABLES, str(shipped(PROFILE))))
