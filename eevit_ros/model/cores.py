"""How many CPU threads a frame gets where nobody says: all of this process's cores but one."""

from __future__ import annotations

import os
from pathlib import Path

TOPOLOGY = 'sys/devices/system/cpu/cpu{}/topology/thread_siblings_list'


def all_cores(root: Path = Path('/')) -> int:
    """Count the cores that this process may use, at least 1.

    Of two hardware threads of one core one counts; affinity (taskset, cpusets) and the quota of
    cgroup version 2 (containers, systemd) are kept.

    Args:
        root: Where /proc and /sys lie.
    """
    cores = {_siblings(root, cpu) for cpu in os.sched_getaffinity(0)}
    return max(1, min([len(cores), *_quotas(root)]))


def spare_one(root: Path = Path('/')) -> int:
    """Count as `all_cores` and leave one to the rest of the robot; at least 1."""
    return max(1, all_cores(root) - 1)


def _siblings(root: Path, cpu: int) -> str:
    """Name the core that a logical CPU belongs to."""
    try:
        return (root / TOPOLOGY.format(cpu)).read_text().strip()
    except OSError:  # not told, as in some virtual machines
        return str(cpu)


def _quotas(root: Path) -> list[int]:
    """Whole CPUs that each control group around this process grants, of those with a limit."""
    try:
        lines = (root / 'proc/self/cgroup').read_text().splitlines()
    except OSError:
        return []
    paths = [line.removeprefix('0::').lstrip('/') for line in lines if line.startswith('0::')]
    found = []
    for path in paths:
        group = root / 'sys/fs/cgroup' / path
        for folder in (group, *group.parents):
            if folder == root / 'sys/fs':
                break
            try:
                limit, period = (folder / 'cpu.max').read_text().split()
            except (OSError, ValueError):
                continue
            if limit != 'max':
                found.append(int(limit) // int(period))
    return found
