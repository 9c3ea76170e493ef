"""The real nodes behind a robot, and a drive in real time behind them."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

from drive.client import NODE, Client
from drive.journey import STEP_S, Answer, Frame, Journey
from drive.policy import governor_arguments, rate_arguments
from drive.scene.pictures import Image
from harness.processes import check_alive, running

START_TIMEOUT_S = 120.0
PROGRESS_STEPS = 60


@contextlib.contextmanager
def real_nodes(name: str, folder: Path, model: Path | None) -> Iterator[Client]:
    """Run classifier and governor in a namespace, the robot in this process; return its client.

    Args:
        name: Of the namespace and of the logs.
        folder: For the logs.
        model: Model file; None for the one that ships.
    """
    logs = {node: folder / f'{name}_{node}.log' for node in ('classifier', 'governor')}
    scope = ['-r', f'__ns:=/{name}']
    classifier = [sys.executable, '-m', 'eevit_ros.nodes.classifier.node', '--ros-args', *scope]
    classifier += ['-p', 'threads:=1', *rate_arguments()]
    if model is not None:
        classifier += ['-p', f'model:={model.absolute()}']
    governor = [sys.executable, '-m', 'eevit_ros.nodes.governor.node', '--ros-args', *scope]
    governor += ['-r', 'adaptive_rate:=classifier/adaptive_rate', *governor_arguments()]
    governor += ['-p', f'controllers:=[{NODE}]']
    # Frames are small here: unlike the demo's they need no larger segment of shared memory.
    with (
        running(classifier, logs['classifier'], os.environ) as classifier_process,
        running(governor, logs['governor'], os.environ) as governor_process,
    ):

        def check() -> None:
            check_alive('classifier', classifier_process, logs['classifier'])
            check_alive('governor', governor_process, logs['governor'])

        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        try:
            client = Client(f'/{name}', check)
            client.spin_until(
                lambda: client.active and bool(client.facts) and client.is_at_rest(),
                START_TIMEOUT_S,
                'the start of classifier and governor',
            )
            yield client
        finally:
            rclpy.shutdown()


def drive_in_real_time(
    client: Client,
    journey: Journey,
    shoot: Callable[[Frame], Image],
    tell: Callable[[float], None],
) -> dict[str, Any]:
    """Drive to the end as fast as the speed limit allows.

    Args:
        client: Of the nodes, which are at rest first: every drive starts at the floor.
        journey: At its start.
        shoot: Takes the photograph.
        tell: Called once a second with the share of the path that is done.

    Returns:
        `track` (time, place, speed, limit), `frames` with their answers, and how late steps were.
    """
    client.spin_until(client.is_at_rest, START_TIMEOUT_S, 'the speed limit at the floor')
    client.answers()
    sent: dict[int, Frame] = {}
    track: list[list[float]] = []
    frames: list[dict[str, Any]] = []
    late_ms: list[float] = []
    desired_mps = 0.0
    start_s = time.monotonic()
    for step in itertools.count():
        client.spin_to(start_s + step * STEP_S)
        late_ms.append(round(1000 * (time.monotonic() - start_s - step * STEP_S), 1))
        for stamp_ns, answer in client.answers():
            if (frame := sent.get(stamp_ns)) is not None:
                frames.append(_line(frame, answer, journey.answer(frame, answer)))
        if journey.is_over:
            break
        frame_due = journey.frame()
        if frame_due is not None:
            sent[client.send(shoot(frame_due))] = frame_due
        if journey.is_control_due:
            desired_mps = client.rule.desired_mps
            track.append(_sample(journey, client.limit_percent))
        journey.step(desired_mps)
        if step % PROGRESS_STEPS == 0:
            tell(journey.robot.place_m / journey.world.length_m)
    return {'track': track, 'frames': frames, 'frames_sent': len(sent), 'late_ms': max(late_ms)}


def _line(frame: Frame, answer: Answer, is_right: bool) -> dict[str, Any]:
    return {
        'time_s': round(frame.time_s, 3),
        'place_m': round(frame.place_m, 3),
        'speed_mps': round(frame.speed_mps, 3),
        'number': frame.number,
        'picture': frame.view.picture,
        'sign': frame.view.sign,
        'label': answer.label,
        'right': is_right,
        'depth': round(answer.depth, 4),
        'confidence': round(answer.confidence, 4),
        'age_ms': round(1000 * answer.age_s, 1),
    }


def _sample(journey: Journey, limit_percent: float) -> list[float]:
    robot = journey.robot
    values = (journey.time_s, robot.place_m, robot.speed_mps, limit_percent)
    return [round(value, 3) for value in values]
