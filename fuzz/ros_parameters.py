"""The same files as `parameters`, as ROS reads them for the nodes' own parameters."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from eevit_ros.errors import EevitError
from eevit_ros.nodes.classifier.node import declare_parameters, read_parameters
from eevit_ros.parameters.classifier import Settings
from eevit_ros.settings import from_values
from fuzz.parameters import CONFIG, check, made_file


def prepare(folder: Path) -> Callable[[Random], None]:
    """Read the shipped files; return what runs a case."""
    # Nobody else shall meet these nodes; Humble knows only the second.
    os.environ.update(ROS_AUTOMATIC_DISCOVERY_RANGE='OFF', ROS_LOCALHOST_ONLY='1')
    files = [path.read_bytes() for path in sorted(CONFIG.glob('*.yaml'))]
    path = folder / 'parameters.yaml'

    def run(rng: Random) -> None:
        path.write_bytes(made_file(files, rng))
        context = Context()
        try:
            rclpy.init(args=['--ros-args', '--params-file', str(path)], context=context)
        except RuntimeError as err:  # as `node_process.run` takes it
            raise EevitError(str(err)) from err
        try:
            node = Node('classifier', context=context, enable_rosout=False)
            declare_parameters(node)
            check(from_values(Settings, read_parameters(node)))
            node.destroy_node()
        finally:
            rclpy.shutdown(context=context)

    return run
