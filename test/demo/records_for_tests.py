"""A short recording and what a node may have answered, made by hand."""

from __future__ import annotations

import cv2
import numpy as np

from demo.bag import BagFrame
from demo.records import FrameRecord

PERIOD_NS = 1_000_000_000 // 15
START_NS = 1_700_000_000_000_000_000


def grey_frame(index: int, *, truth: str = 'class 0', level: int = 255) -> BagFrame:
    """Return a 64x48 frame at 15 Hz: of one grey, but for a corner, else the camera were blind."""
    picture = np.full((48, 64, 3), level, np.uint8)
    picture[-6:, -8:] = level - 64 if level > 127 else level + 64
    _, jpeg = cv2.imencode('.jpg', picture)
    return BagFrame(START_NS + index * PERIOD_NS, jpeg.tobytes(), truth)


def record(index: int, **changes: object) -> FrameRecord:
    """Return a right answer after layer 4 of 12, unless changed."""
    values: dict[str, object] = {
        'index': index,
        'stamp_ns': START_NS + index * PERIOD_NS,
        'label': 'apple',
        'truth': 'apple',
        'confidence': 0.9,
        'exit_layer': 4,
        'depth': 4 / 12,
        'adaptive_rate': 1.0,
        'latency_ms': 10.0,
        'age_ms': 12.0,
        'drops': 0,
    }
    return FrameRecord(**{**values, **changes})  # type: ignore[arg-type]
