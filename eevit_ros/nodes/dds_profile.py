"""The Fast DDS profiles: of a process that sends images, and of one that shares no memory."""

from __future__ import annotations

import os
from pathlib import Path

from rclpy.utilities import get_rmw_implementation_identifier

from eevit_ros.parameters.shipped import shipped

VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Fast DDS 2 (Humble, Jazzy) reads the first, Fast DDS 3 the second."""

FAST_DDS_OWN = 'FASTDDS_BUILTIN_TRANSPORTS'
"""Chooses among what Fast DDS brings; Humble's does not know it and takes its default."""

CHOICES = (*VARIABLES, FAST_DDS_OWN)
"""What users set to choose transports themselves; empty means Fast DDS's own."""

PROFILE = Path('config', 'fastdds_shared_memory.xml')
UDP = Path('config', 'fastdds_udp.xml')
UDP_THIS_COMPUTER = Path('config', 'fastdds_udp_this_computer.xml')

THIS_COMPUTER = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_LOCALHOST_ONLY': '1'}
"""What keeps ROS to this computer; rmw_fastrtps then minds no profile, and shares memory."""

ANYWHERE = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', 'ROS_LOCALHOST_ONLY': '0'}


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
    if not any(os.environ.get(name) == value for name, value in THIS_COMPUTER.items()):
        return dict.fromkeys(VARIABLES, str(shipped(UDP)))
    is_fast_dds = get_rmw_implementation_identifier().startswith('rmw_fastrtps')
    if not is_fast_dds or os.environ.get('ROS_STATIC_PEERS'):
        return {}  # here the profile would let others in, or keep those out
    anywhere = {name: value for name, value in ANYWHERE.items() if name in os.environ}
    return {**anywhere, **dict.fromkeys(VARIABLES, str(shipped(UDP_THIS_COMPUTER)))}
