"""Child processes that end with their parent, whatever happens."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.paths import ROOT

PATIENCE_S = 5.0  # for a process to end after a signal, before the next stronger one
PROFILE = ROOT / 'config' / 'fastdds_shared_memory.xml'


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process of its own, its output in `log`, and end it on leaving.

    It has a session of its own, so that Ctrl-C in the terminal reaches only this process, which
    then ends it in order; and it dies with this process should that be killed.

    Args:
        command: What to run.
        log: Takes its output.
        environment: Its variables; by default those of `camera_environment`.
    """
    dies_with_us = ['setpriv', '--pdeathsig', 'TERM'] if shutil.which('setpriv') else []
    with log.open('wb') as output:
        process = subprocess.Popen(
            [*dies_with_us, *command],
            env=camera_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process: ask, insist, kill. A second Ctrl-C does not cut this short."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                return
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
    finally:
        signal.signal(signal.SIGINT, before)


def check_alive(name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise HarnessError with the end of its log if a process that should run has ended."""
    if process.poll() is not None:
        raise HarnessError(
            f'the {name} ended with code {process.returncode}. The end of {log}:\n{tail(log)}'
        )


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented."""
    text = log.read_text(errors='replace').splitlines()[-lines:]
    return '\n'.join(f'    {line}' for line in text) or '    (empty)'


def camera_environment() -> dict[str, str]:
    """Return the environment of the processes that exchange camera frames.

    Fast DDS' own shared memory is too small for images: without the profile most frames get lost.
    """
    if not PROFILE.is_file():
        raise HarnessError(f'no DDS profile at {PROFILE}: check it out again')
    return {**os.environ, 'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE)}
