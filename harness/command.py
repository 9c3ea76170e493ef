"""What `make demo` and `make drive` have in common: one run a folder, and how a run ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.reporting.only_run import only_run
from harness.errors import HarnessError

# SIGINT too: a shell script's background jobs inherit it as ignored.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_command(name: str, output: Path, work: Callable[[], None], error: type[Exception]) -> int:
    """Do a command's work in its output folder; say on stderr why it could not be done.

    Args:
        name: Name of the command.
        output: Folder that this run alone writes to.
        work: What to do.
        error: Exception of the command, whose message says what was wrong.

    Returns:
        The exit code: 0, 1 with a reason on stderr, 130 for Ctrl-C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='replace')  # a terminal that has no block characters
    for number in STOPS:
        signal.signal(number, signal.default_int_handler)
    try:
        with only_run(output, name, '--output'):
            work()
    except BrokenPipeError:  # the reader of the output has gone: `make demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        error,
        HarnessError,
        EevitError,
        OSError,
    ) as err:  # OSError: the disk is full, for example
        print(f'\n{name}: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{name}: stopped before the end; no report was written', file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def stop_held_back() -> Iterator[None]:
    """Let Ctrl-C, and what else stops a command, wait for the end of what is done within.

    rclpy loses a KeyboardInterrupt that comes while it clears up (`Future.__del__`): the command
    went on to its end. For the main thread.

    Raises:
        KeyboardInterrupt: At the end, if a stop came.
    """
    came: list[int] = []
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in STOPS]
    try:
        yield
    finally:
        for number, handler in zip(STOPS, before, strict=True):
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
