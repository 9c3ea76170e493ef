"""Some frames of the shipped recording, for tests with the shipped model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eevit_ros.recordings.source import Source, SourceFrame
from harness.paths import ROOT

MODEL = ROOT / 'models' / 'eevit_s14_cifar100.onnx'
BAG = ROOT / 'demo' / 'bag'

needs_model = pytest.mark.skipif(not MODEL.exists(), reason=f'{MODEL.name} is not in models/')


def every(step: int, source: Source) -> Iterator[SourceFrame]:
    """Yield every `step`-th frame."""
    return (frame for frame in source if frame.index % step == 0)
