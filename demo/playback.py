"""Plays a recording through the real node: two processes, and the recorder in this one."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import rclpy
from rclpy.signals import SignalHandlerOptions

from demo.bag import IMAGE_TOPIC
from demo.errors import DemoError
from demo.recorder import Recorder
from harness.domains import isolate
from harness.processes import check_alive, running, tail

START_TIMEOUT_S = 60.0
REPORT_TIMEOUT_S = 30.0
LAST_ANSWER_TIMEOUT_S = 5.0

Listening = TypeVar('Listening', bound=Recorder[Any, Any])


def play_through_node(
    record: Callable[[], Listening],
    *,
    node: Sequence[str],
    player: Sequence[str],
    frames: int,
    seconds: float,
    title: str,
    logs: Path,
) -> Listening:
    """Play a recording once and return what was recorded.

    Args:
        record: Returns the recorder, once ROS is there.
        node: Command that starts the node, see `node_command`.
        player: Command that plays, see `player_command`.
        frames: How many frames the recording has.
        seconds: How long it lasts.
        title: Printed above the lines of the frames.
        logs: Folder for the logs of node and player.

    Raises:
        DemoError: A process failed, or something did not happen in time.
    """
    node_log, player_log = logs / 'node.log', logs / 'player.log'
    print(f'starting the node (its log: {node_log})', flush=True)
    with _ros(), running(node, node_log) as node_process:
        recorder = record()

        def node_lives() -> None:
            check_alive('node', node_process, node_log)

        recorder.spin_until(
            lambda: recorder.active, START_TIMEOUT_S, 'activation of the node', node_lives
        )
        print(title, flush=True)
        with running(player, player_log) as player_process:
            recorder.spin_until(
                lambda: player_process.poll() is not None,
                START_TIMEOUT_S + 2 * seconds,
                'the end of the player',
                node_lives,
            )
        if player_process.returncode != 0:
            raise DemoError(
                f'the player exited with code {player_process.returncode}. The end of '
                f'{player_log}:\n{tail(player_log)}'
            )
        recorder.spin_until(
            lambda: len(recorder.join.stamps) == frames,
            REPORT_TIMEOUT_S,
            'the truth of every frame',
            node_lives,
        )
        _wait_for_last_answer(recorder, node_lives)
        if not recorder.join.records:
            raise DemoError(
                f'the node answered none of {frames} frames. The end of {node_log}:\n'
                f'{tail(node_log)}'
            )
        recorder.spin_until(  # sent once a second
            lambda: bool(recorder.facts), REPORT_TIMEOUT_S, "the node's diagnostics", node_lives
        )
        return recorder


@contextlib.contextmanager
def _ros() -> Iterator[None]:
    """Take part in ROS, on a domain of this run's own."""
    isolate()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        yield
    finally:
        rclpy.shutdown()


def _wait_for_last_answer(recorder: Recorder[Any, Any], node_lives: Callable[[], None]) -> None:
    """Wait for the answer to the last frame; go on without it: it may be lost on the way."""
    last = recorder.join.stamps[-1]
    give_up_s = time.monotonic() + LAST_ANSWER_TIMEOUT_S
    recorder.spin_until(
        lambda: last in recorder.join.records or time.monotonic() > give_up_s,
        2 * LAST_ANSWER_TIMEOUT_S,
        'the last answer',
        node_lives,
    )


def node_command(compressed: bool, model: Path | None) -> list[str]:
    """Return the command that starts the node; more arguments may follow.

    Args:
        compressed: Read JPEGs instead of images.
        model: Model file; None lets the node take the one that ships.
    """
    transport = 'compressed' if compressed else 'raw'
    command = [sys.executable, '-m', 'eevit_ros.nodes.classifier.node', '--ros-args']
    command += ['-r', f'image:={IMAGE_TOPIC}', '-p', f'image_transport:={transport}']
    if model is not None:
        command += ['-p', f'model:={model.absolute()}']
    return command


def player_command(module: str, bag: Path, compressed: bool) -> list[str]:
    """Return the command that plays a bag by a module, as JPEGs or as images."""
    command = [sys.executable, '-m', module, '--bag', str(bag)]
    return [*command, '--compressed'] if compressed else command
