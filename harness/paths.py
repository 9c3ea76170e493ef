"""Where things are in a checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
"""The shipped model."""

BAG = ROOT / 'demo' / 'bag'
"""The shipped recording."""
