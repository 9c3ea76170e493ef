"""Helpers of all launch files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from launch.actions import EmitEvent
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.launch_context import LaunchContext
from launch.logging import get_logger

from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED


def existing_file(argument: str, given: Mapping[str, str]) -> str:
    """Return the path that `argument` holds (`~` is the home folder).

    Raises:
        FileNotFoundError: There is no such file; launch and Fast DDS would go on without it.
    """
    path = Path(given[argument]).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{argument}: there is no file {given[argument]!r}')
    return str(path)


def respawn_only_crashes(
    refused: str,
) -> Callable[[ProcessExited, LaunchContext], EmitEvent | None]:
    """Return an `on_exit` that keeps `respawn` from restarting a node that did not crash.

    Everything else that was launched goes on without the node.

    Args:
        refused: The error to log when the node refused its parameters.
    """

    def after_exit(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
        if context.is_shutdown or event.returncode not in (0, EXIT_NOT_CONFIGURED):
            return None
        if event.returncode == EXIT_NOT_CONFIGURED:
            get_logger('eevit_ros.launch').error(refused)
        return EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))

    return after_exit
