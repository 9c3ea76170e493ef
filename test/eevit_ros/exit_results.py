"""Made-up answers of the engine, for tests of what is said about them."""

from __future__ import annotations

from typing import Any

import numpy as np

from eevit_ros.model.engine import ExitResult


def exit_result(**fields: Any) -> ExitResult:
    """Return an answer after layer 6 of 12 for class 1 of 3; `fields` overwrite its own."""
    values: dict[str, Any] = {
        'class_index': 1,
        'class_name': 'cat',
        'confidence': 0.7,
        'exit_index': 2,
        'exit_layer': 6,
        'depth': 0.5,
        'probabilities': np.array([0.2, 0.7, 0.1], np.float32),
        'preprocess_ms': 1.0,
        'inference_ms': 20.0,
    }
    return ExitResult(**{**values, **fields})
