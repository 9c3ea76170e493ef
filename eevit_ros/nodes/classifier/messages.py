"""Building the outgoing messages from plain results. No publishing here."""

from __future__ import annotations

from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionClass

from eevit_ros.model.engine import ExitResult
from eevit_ros.nodes.status_message import status
from eevit_ros.perception.frame_record import FrameRecord, frame_title, frame_values, ranking
from eevit_ros.perception.status import OK, Report


def classification(
    header: Header, result: ExitResult, names: Sequence[str], *, top_k: int, class_ids: str
) -> Classification:
    """Return the top-k classes; `class_ids` 'name' or 'index' decides what class_id holds."""
    results = [
        ObjectHypothesis(class_id=class_id, score=score)
        for class_id, score in ranking(result, names, top_k=top_k, class_ids=class_ids)
    ]
    return Classification(header=header, results=results)


def frame(header: Header, source: str, result: ExitResult, record: FrameRecord) -> DiagnosticArray:
    """Return the stamped record of one frame that bags and reports use."""
    report = Report(OK, result.class_name, frame_values(result, record))
    return DiagnosticArray(
        header=header, status=[status(frame_title(source), report, header.frame_id)]
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
