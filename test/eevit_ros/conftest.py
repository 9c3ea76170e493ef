"""Leave out what this environment has no packages for: `make test-oldest` has few."""

from __future__ import annotations

import importlib.util

collect_ignore = []
if importlib.util.find_spec('rclpy') is None:
    collect_ignore += ['nodes']
if importlib.util.find_spec('rosbags') is None:
    collect_ignore += ['launching', 'model/test_all_exits.py', 'recordings', 'replay']
