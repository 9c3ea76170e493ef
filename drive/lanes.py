"""Runs lanes side by side, each a process with nodes of its own, and collects their results."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drive.errors import DriveError
from harness.processes import running, tail

POLL_S = 0.25
RESULT = '{"seed"'  # how the line of a result starts, and no other


@dataclass(frozen=True)
class _Lane:
    process: subprocess.Popen[bytes]
    results: Path
    log: Path


def run_lanes(
    drives: Sequence[str],
    *,
    at_once: int,
    folder: Path,
    model: Path | None,
    show: Callable[[float], None],
) -> list[dict[str, Any]]:
    """Do all drives, `at_once` side by side.

    Args:
        drives: As `drive.lane` takes them.
        at_once: Number of lanes.
        folder: For logs and results.
        model: Model file; None for the one that ships.
        show: Called often with the share that is done, 0..1.

    Returns:
        The results in the order of `drives`.

    Raises:
        DriveError: A lane failed.
    """
    shares = [list(drives[lane::at_once]) for lane in range(min(at_once, len(drives)))]
    with contextlib.ExitStack() as stack:
        lanes = [_start(stack, f'lane_{n}', share, folder, model) for n, share in enumerate(shares)]
        while any(lane.process.poll() is None for lane in lanes):
            show(sum(_progress(lane.results) for lane in lanes) / len(drives))
            for lane in lanes:
                _check(lane)
            time.sleep(POLL_S)
        for lane in lanes:
            _check(lane)
    by_drive = {
        drive: result
        for lane, share in zip(lanes, shares, strict=True)
        for drive, result in zip(share, _results(lane.results), strict=True)
    }
    return [by_drive[drive] for drive in drives]


def _start(
    stack: contextlib.ExitStack, name: str, drives: list[str], folder: Path, model: Path | None
) -> _Lane:
    command = [sys.executable, '-m', 'drive.lane', name, str(folder), *drives]
    if model is not None:
        command += ['--model', str(model)]
    log, results = folder / f'{name}.log', folder / f'{name}.jsonl'
    results.unlink(missing_ok=True)
    process = stack.enter_context(running(command, log, os.environ))
    return _Lane(process, results, log)


def _progress(path: Path) -> float:
    """Return how many drives are done, counting the share of the one under way."""
    lines = path.read_text().splitlines() if path.exists() else []
    if not lines:
        return 0.0
    last = re.fullmatch(r'\{"progress": (.*)\}', lines[-1])  # or a result, or half a line
    return sum(line.startswith(RESULT) for line in lines) + (float(last[1]) if last else 0.0)


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open() if line.startswith(RESULT)]


def _check(lane: _Lane) -> None:
    if code := lane.process.poll():
        raise DriveError(
            f'a drive exited with code {code}. The end of {lane.log}:\n{tail(lane.log)}'
        )
