"""What the node says of one frame, as plain values. Without ROS.

The node's messages and the bags that a replay writes both take them from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eevit_ros.model.engine import ExitResult
from eevit_ros.perception.frame_age import MISMATCH


@dataclass(frozen=True)
class FrameRecord:
    """What ~/frame says of one frame beside the engine's result.

    Attributes:
        adaptive_rate: The rate after this frame.
        age_ms: From the image's stamp to the answer; None is a clock mismatch.
        drops: Frames replaced in the slot since activation.
        model_hash: SHA-256 of the model file, hex.
    """

    adaptive_rate: float
    age_ms: float | None
    drops: int
    model_hash: str


def frame_values(result: ExitResult, record: FrameRecord) -> dict[str, str]:
    """Return the values of ~/frame by name, in the order in which it carries them."""
    return {
        'label': result.class_name,
        'exit_layer': str(result.exit_layer),
        'depth': f'{result.depth:.6f}',
        'confidence': f'{result.confidence:.6f}',
        'adaptive_rate': f'{record.adaptive_rate:.6f}',
        'preprocess_ms': f'{result.preprocess_ms:.3f}',
        'inference_ms': f'{result.inference_ms:.3f}',
        'age_ms': MISMATCH if record.age_ms is None else f'{record.age_ms:.3f}',
        'drops': str(record.drops),
        'model_hash': record.model_hash,
    }


def frame_title(source: str) -> str:
    """Return the name of the status that carries these values.

    Args:
        source: The node's full name without the first slash.
    """
    return f'{source}: frame'


def ranking(
    result: ExitResult, names: Sequence[str], *, top_k: int, class_ids: str
) -> list[tuple[str, float]]:
    """Return class_id and score of the top-k classes; `class_ids` is 'name' or 'index'."""
    return [
        (names[index] if class_ids == 'name' else str(index), float(confidence))
        for index, confidence in result.top(top_k)
    ]
