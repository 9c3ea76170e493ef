"""How a launched replay begins and ends; only launch/replay.launch.py imports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from launch.actions import (
    EmitEvent,
    ExecuteLocal,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessStarted, ShutdownProcess
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity
from launch_ros.ros_adapters import get_ros_node

from eevit_ros.replay.errors import ReplayError

LOOK_AROUND_S = 0.2
LINGERING_S = 1.0  # for the answer to the last image


class Replay:
    """Ends player first, then the nodes, recorder last.

    Whatever ends by itself before the player is done ends the replay, too, and makes it a failure.
    """

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._player: ExecuteLocal | None = None
        self._recorder: ExecuteLocal | None = None
        self._helper: ExecuteLocal | None = None
        self._running: list[ExecuteLocal] = []
        self._is_ending = False
        self._failure = ''

    def handlers(self) -> list[RegisterEventHandler]:
        """Return what must come before all processes that belong to the replay."""
        return [
            RegisterEventHandler(OnProcessStart(on_start=self._started)),
            RegisterEventHandler(OnProcessExit(on_exit=self._exited)),
        ]

    def watch(self, *, player: ExecuteLocal, recorder: ExecuteLocal) -> None:
        """Take the processes that decide when it ends.

        Args:
            player: Ends when all was played.
            recorder: Runs until it is told to end.
        """
        self._player, self._recorder = player, recorder

    def when_heard(self, topics: Sequence[str], helper: ExecuteLocal) -> OpaqueFunction:
        """Return what starts a process once each of the topics has a listener.

        Args:
            topics: Their full names.
            helper: The process; it may end without ending the replay.
        """
        self._helper = helper

        def look(context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
            if self._is_ending:
                return None
            node = get_ros_node(context)
            if all(node.count_subscribers(topic) for topic in topics):
                return [helper]
            return [TimerAction(period=LOOK_AROUND_S, actions=[OpaqueFunction(function=look)])]

        return OpaqueFunction(function=look)

    def _started(self, event: ProcessStarted, context: LaunchContext) -> None:
        self._running.append(event.action)

    def _exited(
        self, event: ProcessExited, context: LaunchContext
    ) -> Iterable[LaunchDescriptionEntity] | None:
        if event.action not in self._running:  # started before the replay was: none of ours
            return None
        self._running.remove(event.action)
        if context.is_shutdown or (event.action is self._helper and event.returncode == 0):
            return None
        first, self._is_ending = not self._is_ending, True
        early = first and event.action is not self._player
        if (early or event.returncode) and not self._failure:
            when = ' before the replay was done' if early else ''
            self._failure = f'{event.process_name} ended with code {event.returncode}{when}'
        nodes = [process for process in self._running if process is not self._recorder]
        if nodes:
            end = _end(nodes)
            return [TimerAction(period=LINGERING_S, actions=[end]) if first else end]
        if self._running:
            return [_end(self._running)]
        if self._failure:
            raise ReplayError(f'the replay failed: {self._failure}')
        return [EmitEvent(event=Shutdown(reason='the replay is done'))]


def _end(processes: Sequence[ExecuteLocal]) -> EmitEvent:
    processes = list(processes)
    return EmitEvent(event=ShutdownProcess(process_matcher=lambda action: action in processes))
