"""The computer that figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_machine() -> dict[str, str | int | float]:
    """Return CPU, usable cores, load, operating system and Python."""
    return {
        'cpu': _cpu_model(),
        'cores': len(os.sched_getaffinity(0)),
        'load_before': round(os.getloadavg()[0], 2),
        'system': _system(),
        'python': platform.python_version(),
    }


def _cpu_model() -> str:
    board = Path('/proc/device-tree/model')  # ARM boards such as a Jetson
    if board.exists():
        return board.read_text().strip('\0\n ')
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        name, _, value = line.partition(':')
        if name.strip() == 'model name':
            return value.strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()['PRETTY_NAME']
    except OSError:
        return platform.platform()
