"""How launch/replay.launch.py starts its processes and ends them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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
from launch.logging import get_logger
from launch_ros.ros_adapters import get_ros_node

from eevit_ros.replay.errors import ReplayError

POLL_S = 0.2
LINGERING_S = 1.0  # for the answer to the last image


class LaunchedReplay:
    """Ends the player first, then the nodes, then the recorder.

    A process that ends before the player is done ends the replay and makes it a failure.
    """

    def __init__(self) -> None:
        """Start with no process running."""
        self._player: ExecuteLocal | None = None
        self._recorder: ExecuteLocal | None = None
        self._summary: Callable[[], str] = str
        self._resume: ExecuteLocal | None = None
        self._running: list[ExecuteLocal] = []
        self._is_ending = False
        self._failure = ''

    def handlers(self) -> list[RegisterEventHandler]:
        """Return the handlers, which must come before every process of the replay."""
        return [
            RegisterEventHandler(OnProcessStart(on_start=self._started)),
            RegisterEventHandler(OnProcessExit(on_exit=self._exited)),
        ]

    def watch(
        self,
        *,
        player: ExecuteLocal,
        recorder: ExecuteLocal,
        summary: Callable[[], str] = lambda: 'the replay is done',
    ) -> None:
        """Take the processes that decide when the replay ends.

        Args:
            player: Ends when everything was played.
            recorder: Runs until it is shut down.
            summary: Called after a good end; returns what to log.
        """
        self._player, self._recorder, self._summary = player, recorder, summary

    def when_subscribed(
        self, needed: Iterable[tuple[str, str]], resume: ExecuteLocal
    ) -> OpaqueFunction:
        """Return an action that starts a process once nodes have subscribed.

        Args:
            needed: Names of nodes, without namespace, and full names of the topics that each needs.
            resume: The process; it may end without ending the replay.
        """
        pairs = set(needed)
        self._resume = resume

        def look(context: LaunchContext) -> Iterable[LaunchDescriptionEntity] | None:
            if self._is_ending:
                return None
            node = get_ros_node(context)
            found = {
                (info.node_name, topic)
                for _, topic in pairs
                for info in node.get_subscriptions_info_by_topic(topic)
            }
            if pairs <= found:
                return [resume]
            return [TimerAction(period=POLL_S, actions=[OpaqueFunction(function=look)])]

        return OpaqueFunction(function=look)

    def _started(self, event: ProcessStarted, context: LaunchContext) -> None:
        self._running.append(event.action)

    def _exited(
        self, event: ProcessExited, context: LaunchContext
    ) -> Iterable[LaunchDescriptionEntity] | None:
        if event.action not in self._running:  # it was started before the replay
            return None
        self._running.remove(event.action)
        if context.is_shutdown or (event.action is self._resume and event.returncode == 0):
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
        get_logger('eevit_ros.launch').info(self._summary())
        return [EmitEvent(event=Shutdown(reason='the replay is done'))]


def _end(processes: Sequence[ExecuteLocal]) -> EmitEvent:
    processes = list(processes)
    return EmitEvent(event=ShutdownProcess(process_matcher=lambda action: action in processes))
