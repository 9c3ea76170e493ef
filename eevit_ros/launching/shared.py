"""Helpers of all launch files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from launch.actions import EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event import Event
from launch.event_handler import EventHandler
from launch.event_handlers import OnShutdown
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import get_logger

from eevit_ros.errors import EevitError
from eevit_ros.nodes.process import EXIT_NOT_CONFIGURED, LAUNCH_PID

BOOLEANS = ['true', 'false', 'True', 'False']  # Nav2's launch files give the latter


def existing_file(argument: str, given: Mapping[str, str]) -> str:
    """Return the path that `argument` holds (`~` is the home folder).

    Raises:
        FileNotFoundError: There is no such file; launch and Fast DDS would go on without it.
    """
    path = Path(given[argument]).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f'{argument}: there is no file {given[argument]!r}')
    return str(path)


def named_topics(text: str) -> list[tuple[str, str]]:
    """Return name and topic of each camera in 'front=/front/image_raw,left'; '' for no topic."""
    parts = (part.strip().partition('=') for part in text.strip(' []').split(','))
    return [(name.strip(), topic.strip()) for name, _, topic in parts if name or topic]


def ends_with_launch() -> dict[str, str]:
    """Return the environment of a node that ends when this launch is gone, however it ended."""
    return {LAUNCH_PID: str(os.getpid())}


def respawn_only_crashes(
    refused: str,
) -> Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity] | None]:
    """Return an `on_exit` that keeps `respawn` from restarting a node that did not crash.

    Everything else that was launched goes on without the node; the launch fails when it ends.

    Args:
        refused: The error to log when the node refused its parameters.
    """

    def after_exit(
        event: ProcessExited, context: LaunchContext
    ) -> list[LaunchDescriptionEntity] | None:
        if context.is_shutdown or event.returncode not in (0, EXIT_NOT_CONFIGURED):
            return None
        end = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))
        if event.returncode == 0:
            return [end]
        get_logger('eevit_ros.launch').error(refused)
        # By an event of its own: an error in a handler of Shutdown would keep the others from it.
        refusal = Event()
        fail = OpaqueFunction(function=_fail, args=[refused])
        handlers = (
            EventHandler(matcher=lambda one: one is refusal, entities=[fail]),
            OnShutdown(on_shutdown=[EmitEvent(event=refusal)]),
        )
        return [end, *map(RegisterEventHandler, handlers)]

    return after_exit


def _fail(context: LaunchContext, text: str) -> None:
    """Make the exit code of the launch 1; launch knows no other way."""
    raise NodeRefusedError(text)


class NodeRefusedError(EevitError):
    """A launched node refused its parameters."""
