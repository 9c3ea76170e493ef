"""A node's process and what started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 or its wheels: `make test` installs them')

from eevit_ros.nodes.process import LAUNCH_PID  # noqa: E402
from harness.domains import claim_domain  # noqa: E402
from harness.paths import ROOT  # noqa: E402
from harness.ros_process import DEADLINE_S, node_environment  # noqa: E402

LAUNCH = f"""
import os, subprocess, sys
os.environ['{LAUNCH_PID}'] = str(os.getpid())
print(subprocess.Popen(sys.argv[1:]).pid, flush=True)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells a process of its parent')
def test_a_node_ends_whose_launch_was_gone_before_it_could_be_told(tmp_path: Path) -> None:
    domain, _lock = claim_domain()
    node = [
        '-m',
        'eevit_ros.nodes.bags.recorder',
        '--ros-args',
        '-p',
        f'output:={tmp_path / "bag"}',
    ]
    launch = subprocess.Popen(
        [sys.executable, '-c', LAUNCH, sys.executable, *node],
        env=node_environment(domain),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert launch.stdout is not None
    pid = int(launch.stdout.readline())
    try:
        # Read to the end before anybody asks for the launch: until then it stands in /proc.
        said, _ = launch.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.kill(pid, signal.SIGKILL)
        launch.communicate()
        raise AssertionError('the node lives on') from None
    assert 'Traceback' not in said
