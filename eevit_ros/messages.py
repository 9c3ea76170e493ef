"""Building the outgoing messages from plain results. No publishing here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionClass

from eevit_ros.engine import ExitResult
from eevit_ros.frame_age import MISMATCH
from eevit_ros.report import OK, Report
from eevit_ros.status_message import status


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


def classification(
    header: Header, result: ExitResult, names: Sequence[str], *, top_k: int, class_ids: str
) -> Classification:
    """Return the top-k classes; `class_ids` 'name' or 'index' decides what class_id holds."""
    results = [
        ObjectHypothesis(
            class_id=names[index] if class_ids == 'name' else str(index), score=float(confidence)
        )
        for index, confidence in result.top(top_k)
    ]
    return Classification(header=header, results=results)


def frame(header: Header, source: str, result: ExitResult, record: FrameRecord) -> DiagnosticArray:
    """Return the stamped record of one frame that bags and reports use."""
    values = {
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
    report = Report(OK, result.class_name, values)
    return DiagnosticArray(
        header=header, status=[status(f'{source}: frame', report, header.frame_id)]
    )


def label_info(header: Header, names: Sequence[str]) -> LabelInfo:
    """Return the class names by index."""
    classes = [VisionClass(class_id=i, class_name=name) for i, name in enumerate(names)]
    return LabelInfo(header=header, class_map=classes)


def diagnostics(header: Header, source: str, report: Report, hardware_id: str) -> DiagnosticArray:
    """Return the node's own status for /diagnostics."""
    return DiagnosticArray(header=header, status=[status(source, report, hardware_id)])


def jpeg(header: Header, data: bytes) -> CompressedImage:
    """Return a JPEG as a message."""
    message = CompressedImage(header=header, format='rgb8; jpeg compressed bgr8')
    message.data.frombytes(data)  # assigning bytes to `data` copies twice
    return message
