"""Launching an installed launch file, and what became of its processes."""

from __future__ import annotations

import contextlib
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events.process import ProcessExited, ProcessStarted
from launch.launch_description_sources import PythonLaunchDescriptionSource

from harness.ros_process import DEADLINE_S
from launch import LaunchContext, LaunchDescription

try:
    SHARE = Path(get_package_share_directory('eevit_ros'))
except PackageNotFoundError:
    pytest.skip(
        'eevit_ros is not installed: colcon build, then source install/setup.bash',
        allow_module_level=True,
    )


class Processes:
    """What launch did to the nodes.

    Attributes:
        pids: Which processes it started, by executable.
        exit_codes: How processes ended, in that order.
    """

    def __init__(self) -> None:
        self.pids: defaultdict[str, list[int]] = defaultdict(list)
        self.exit_codes: list[int] = []

    def watched(self, launch_file: str, **arguments: str) -> LaunchDescription:
        """Return the launch file with these arguments, under watch."""
        source = PythonLaunchDescriptionSource(str(SHARE / 'launch' / launch_file))
        return LaunchDescription(
            [
                RegisterEventHandler(OnProcessStart(on_start=self._started)),
                RegisterEventHandler(OnProcessExit(on_exit=self._exited)),
                IncludeLaunchDescription(source, launch_arguments=arguments.items()),
            ]
        )

    def _started(self, event: ProcessStarted, _: LaunchContext) -> None:
        executable, _, _ = event.process_name.rpartition('-')
        self.pids[executable].append(event.pid)

    def _exited(self, event: ProcessExited, _: LaunchContext) -> None:
        self.exit_codes.append(event.returncode)


def ros2_launch_command(launch_file: str, arguments: dict[str, str], *options: str) -> list[str]:
    command = ['ros2', 'launch', '--noninteractive', *options, 'eevit_ros', launch_file]
    return [*command, *(f'{name}:={value}' for name, value in arguments.items())]


def ros2_launch(launch_file: str, arguments: dict[str, str], *options: str) -> tuple[int, str]:
    """Run the command until it ends by itself; return its exit code and all that it printed."""
    done = subprocess.run(
        ros2_launch_command(launch_file, arguments, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3 * DEADLINE_S,
    )
    return done.returncode, done.stdout


def processes_with(variable: str) -> list[Path]:
    """The processes (their /proc folders) that were started with this environment variable."""
    found = []
    for file in Path('/proc').glob('[0-9]*/environ'):
        with contextlib.suppress(OSError):  # ended, or not ours
            if variable.encode() in file.read_bytes().split(b'\0'):
                found.append(file.parent)
    return found
