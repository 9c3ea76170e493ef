"""Plays the recording of several things through the real node: as `demo.playback`, with boxes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo.errors import DemoError
from demo.playback import (
    LAST_ANSWER_TIMEOUT_S,
    REPORT_TIMEOUT_S,
    START_TIMEOUT_S,
    node_command,
    talking,
)
from demo.regions.bag import DETECTIONS_TOPIC, RegionFrame
from demo.regions.recorder import PictureRecord, RegionRecorder
from harness.processes import check_alive, running, tail

ARGUMENTS = [
    *('-r', f'regions:={DETECTIONS_TOPIC}', '-p', 'regions:=true'),
    # Time for all: what a busy computer leaves out says nothing of the model.
    *('-p', 'regions_budget_ms:=1000.0', '-p', 'regions_wait_s:=2.0'),
    *('-p', 'region_margin:=0.0', '-p', 'rate.stale_after_s:=1.0'),
]


def play_through_node(
    bag: Path, frames: Sequence[RegionFrame], *, compressed: bool, model: Path | None, logs: Path
) -> RegionRecorder:
    """Play `bag` once and return what was recorded.

    Args:
        bag: The recording.
        frames: What it holds.
        compressed: Send JPEGs instead of images.
        model: Model file; None lets the node take the one that ships.
        logs: Folder for the logs of node and player.

    Raises:
        DemoError: A process failed, or something did not happen in time.
    """
    node_log, player_log = logs / 'node.log', logs / 'player.log'
    seconds = (frames[-1].stamp_ns - frames[0].stamp_ns) * 1e-9
    player_command = [sys.executable, '-m', 'demo.regions.player', '--bag', str(bag)]
    player_command += ['--compressed'] if compressed else []
    print(f'starting the node (its log: {node_log})', flush=True)
    with talking(), running([*node_command(compressed, model), *ARGUMENTS], node_log) as node:
        recorder = RegionRecorder(lambda record: print(_line(record, recorder), flush=True))

        def node_lives() -> None:
            check_alive('node', node, node_log)

        recorder.spin_until(
            lambda: recorder.active, START_TIMEOUT_S, 'activation of the node', node_lives
        )
        with running(player_command, player_log) as player:
            recorder.spin_until(
                lambda: player.poll() is not None,
                START_TIMEOUT_S + 2 * seconds,
                'the end of the player',
                node_lives,
            )
        if player.returncode != 0:
            raise DemoError(
                f'the player exited with code {player.returncode}. The end of {player_log}:\n'
                f'{tail(player_log)}'
            )
        give_up_s = time.monotonic() + LAST_ANSWER_TIMEOUT_S
        recorder.spin_until(  # go on without the last answers: they may be lost on the way
            lambda: len(recorder.records) == len(frames) or time.monotonic() > give_up_s,
            2 * LAST_ANSWER_TIMEOUT_S,
            'the last answer',
            node_lives,
        )
        if not recorder.records:
            raise DemoError(
                f'the node answered none of {len(frames)} pictures. The end of {node_log}:\n'
                f'{tail(node_log)}'
            )
        recorder.spin_until(  # sent once a second
            lambda: bool(recorder.facts), REPORT_TIMEOUT_S, "the node's diagnostics", node_lives
        )
        return recorder


def _line(record: PictureRecord, recorder: RegionRecorder) -> str:
    """Return one picture's line for the terminal."""
    words = ' '.join(
        f'{one.label[:11] or "-":>11} {one.exit_layer:2d}{" " if one.right else "!"}'
        for one in record.regions
    )
    seconds = (record.stamp_ns - recorder.stamps[0]) * 1e-9
    return f'{seconds:5.1f}s  {words}  rate {record.adaptive_rate:4.2f} {record.latency_ms:6.1f} ms'
