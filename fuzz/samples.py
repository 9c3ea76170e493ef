"""What gets damaged, made by the helpers of the tests."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).resolve().parents[1] / 'test'
sys.path[:0] = [str(_TESTS / 'eevit_ros'), str(_TESTS / 'replay')]

# By name: mypy does not see them, as tests are not typed throughout.
tiny_model: Any = importlib.import_module('tiny_model')
bags_for_tests: Any = importlib.import_module('bags_for_tests')
