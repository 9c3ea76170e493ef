"""What the tests of nodes share: a ROS domain of their own, and a small model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ros_process import RosPeer
from harness.tiny_model import write_tiny_model


@pytest.fixture(scope='module')
def peer() -> Iterator[RosPeer]:
    with RosPeer() as found:
        yield found


@pytest.fixture(scope='session')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('model') / 'tiny.onnx')
