"""A node's process: it handles the signals itself, so that the last messages still go out."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.signals import SignalHandlerOptions

EXIT_NOT_CONFIGURED = 2
"""Exit code when the model or a parameter is wrong: a restart would not help."""

SPIN_S = 0.1

LAUNCH_PID = 'EEVIT_ROS_LAUNCH_PID'
"""Variable by which the launch files name their process; a node ends with it."""

PR_SET_PDEATHSIG = 1  # of Linux' sys/prctl.h

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 2**25  # the most that glibc allows for one piece


def run(name: str, body: Callable[[threading.Event], int], args: list[str] | None) -> int:
    """Run the node of a process.

    Args:
        name: Name of the node, for errors before it can log.
        body: Makes and spins the node until the event is set, which SIGINT, SIGTERM and SIGHUP do.
        args: Command line; None for the process's own.

    Returns:
        The exit code: the body's, or 2 if ROS refuses the command line.
    """
    stop = threading.Event()
    # rclpy's own handlers would shut the context down under the node's publishers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a closed terminal ends nothing. SIGINT may be ignored by mistake: a script's
        # background jobs inherit that.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    _end_with_launch(stop)
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as err:  # malformed --ros-args or parameter file
        print(f'[{name}]: cannot start: {err}{_hint(str(err))}', file=sys.stderr)
        return EXIT_NOT_CONFIGURED
    try:
        return body(stop)
    finally:
        rclpy.shutdown()


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next image, where it is glibc.

    It would give pieces of that size back, and the kernel clear every page of the next one, which
    may take longer than all else that it takes to receive the image.
    """
    if mallopt := getattr(ctypes.CDLL(None), 'mallopt', None):
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)


def give_memory_back() -> None:
    """Give the memory that was kept back to the system, where the C library is glibc."""
    if trim := getattr(ctypes.CDLL(None), 'malloc_trim', None):
        trim(0)


def _end_with_launch(stop: threading.Event) -> None:
    """Have the kernel end this process in order when the launch that started it is gone.

    `ros2 launch` ends what it started on SIGINT, but leaves it running on SIGTERM and SIGKILL.
    """
    launch = os.environ.get(LAUNCH_PID)
    if launch is None or not sys.platform.startswith('linux'):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(launch) and not _lives(launch):  # too late to be told
        stop.set()


def _lives(pid: str) -> bool:
    """Return whether a process runs; one that has ended stands in /proc until it is asked for."""
    try:
        # After the name, which may hold anything.
        state = Path('/proc', pid, 'stat').read_text(errors='replace').rpartition(')')[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ('Z', 'X')


def _hint(error: str) -> str:
    mixed = 'Sequence should be of same type' in error
    return '\nA list of numbers is all decimal or all whole: write 1.0 for 1' if mixed else ''
