"""A node's process: it handles the signals itself, so that the last messages still go out."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.signals import SignalHandlerOptions

EXIT_NOT_CONFIGURED = 2
"""Exit code when the model or a parameter is wrong: a restart would not help."""

SPIN_S = 0.1


def run(name: str, body: Callable[[threading.Event], int], args: list[str] | None) -> int:
    """Run the node of a process.

    Args:
        name: Name of the node, for errors before it can log.
        body: Makes and spins the node until the event is set, which SIGINT and SIGTERM do.
        args: Command line; None for the process's own.

    Returns:
        The exit code: the body's, or 2 if ROS refuses the command line.
    """
    stop = threading.Event()
    # rclpy's own handlers would shut the context down under the node's publishers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as err:  # malformed --ros-args or parameter file
        print(f'[{name}]: cannot start: {err}{_hint(str(err))}', file=sys.stderr)
        return EXIT_NOT_CONFIGURED
    try:
        return body(stop)
    finally:
        rclpy.shutdown()


def _hint(error: str) -> str:
    mixed = 'Sequence should be of same type' in error
    return '\nA list of numbers is all decimal or all whole: write 1.0 for 1' if mixed else ''
