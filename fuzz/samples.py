"""What gets damaged, made by the helpers of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'test' / 'eevit_ros'), str(ROOT / 'test' / 'replay')]

import bags_for_tests  # noqa: E402, F401
import tiny_model  # noqa: E402, F401
