"""ROS domains of one's own, seen by this computer alone: nodes that run here disturb nobody."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

# Humble knows only the first. Elsewhere it is deprecated, and would override the second.
THIS_COMPUTER = (
    {'ROS_LOCALHOST_ONLY': '1'}
    if os.environ.get('ROS_DISTRO') == 'humble'
    else {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
)
"""Environment that keeps ROS traffic on this computer."""

_TESTS = range(20, 100)
_DEMOS = range(215, 233)  # above the ports that Linux hands out itself


def claim_domain() -> tuple[int, IO[str]]:
    """Return a ROS domain that nobody uses, and the file whose lock keeps other tests off.

    Raises:
        RuntimeError: All of them are taken.
    """
    for domain_id in _TESTS:
        if in_use(domain_id):  # a robot's own nodes, or what a killed test run left behind
            continue
        path = Path(tempfile.gettempdir(), f'eevit_ros_test_domain_{domain_id}.lock')
        try:
            lock = path.open('w')
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
        else:
            return domain_id, lock
    raise RuntimeError(f'all ROS domains from {_TESTS[0]} to {_TESTS[-1]} are taken')


def isolate() -> None:
    """Give this process and its children a ROS domain of their own, on this computer only."""
    domains = random.sample(_DEMOS, len(_DEMOS))
    free = next((domain for domain in domains if not in_use(domain)), domains[0])
    os.environ.update(THIS_COMPUTER, ROS_DOMAIN_ID=str(free))


def in_use(domain_id: int) -> bool:
    """Whether somebody holds a domain's first port (DDSI-RTPS 2.2, section 9.6.1)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', 7400 + 250 * domain_id + 10))
        except OSError:
            return True
    return False
