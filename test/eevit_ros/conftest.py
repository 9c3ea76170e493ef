"""Properties are judged by their truth: a busy machine may stall any example for seconds."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from hypothesis import HealthCheck, settings

settings.register_profile('patient', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('patient')

HAS_ROS = importlib.util.find_spec('rclpy') is not None
# Imports of ROS packages, of helpers that import them, and of the one module of ours that does.
NEEDS_ROS = re.compile(
    r'^(from|import) (rclpy|\w+_msgs|rcl_interfaces|ros_process|\w+_peer|eevit_ros\.declaring)\b',
    re.MULTILINE,
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests of nodes where there is no ROS: in `make test-oldest`."""
    if HAS_ROS or not collection_path.name.startswith('test_'):
        return None
    return NEEDS_ROS.search(collection_path.read_text('utf-8')) is not None or None
