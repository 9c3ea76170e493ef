"""Listens to the node and to the true classes of the things, and keeps what belongs together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from vision_msgs.msg import Detection2DArray

from demo.recorder import CLASSIFIER, QUEUE, Listener, nanoseconds
from demo.regions.bag import TRUE_TOPIC


@dataclass(frozen=True)
class RegionRecord:
    """The node's answer to one thing in a picture, and what it is.

    Attributes:
        label: The answer; '' where the node was not asked.
        truth: What it is.
        confidence: Confidence of the answer, 0..1.
        exit_layer: Layers that ran; 0 where the node was not asked.
        x: Centre of its box, pixels.
        y: Centre, pixels.
        side: Of its box, pixels.
    """

    label: str
    truth: str
    confidence: float
    exit_layer: int
    x: float
    y: float
    side: float

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.label == self.truth


@dataclass(frozen=True)
class PictureRecord:
    """The answers to one picture.

    Attributes:
        index: Place of the picture in the recording, from 0.
        stamp_ns: Stamp that the player gave it, nanoseconds since the epoch.
        regions: Of each thing.
        layers: Layers of the model.
        adaptive_rate: After these answers, 0..1.
        latency_ms: Time for all of them.
    """

    index: int
    stamp_ns: int
    regions: tuple[RegionRecord, ...]
    layers: int
    adaptive_rate: float
    latency_ms: float


class RegionRecorder(Listener):
    """Subscribes to all that the report of regions needs.

    Attributes:
        stamps: Of the pictures played, in order.
        records: Of those answered, by stamp.
    """

    def __init__(self, on_record: Callable[[PictureRecord], None]) -> None:
        """Subscribe; `on_record` is called with each picture once all is known about it."""
        super().__init__()
        self.stamps: list[int] = []
        self.records: dict[int, PictureRecord] = {}
        self._on_record = on_record
        self._truths: dict[int, Detection2DArray] = {}
        self._answers: dict[int, Detection2DArray] = {}
        self._values: dict[int, dict[str, str]] = {}
        self.create_subscription(Detection2DArray, TRUE_TOPIC, self._on_truth, QUEUE)
        self.create_subscription(Detection2DArray, f'{CLASSIFIER}/regions', self._on_regions, QUEUE)
        self.create_subscription(DiagnosticArray, f'{CLASSIFIER}/frame', self._on_frame, QUEUE)

    def _on_truth(self, message: Detection2DArray) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self.stamps.append(stamp_ns)
        self._truths[stamp_ns] = message
        self._complete(stamp_ns)

    def _on_regions(self, message: Detection2DArray) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._answers[stamp_ns] = message
        self._complete(stamp_ns)

    def _on_frame(self, message: DiagnosticArray) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        self._values[stamp_ns] = {pair.key: pair.value for pair in message.status[0].values}
        self._complete(stamp_ns)

    def _complete(self, stamp_ns: int) -> None:
        if not (
            stamp_ns in self._truths and stamp_ns in self._answers and stamp_ns in self._values
        ):
            return
        truths, answers = self._truths.pop(stamp_ns), self._answers.pop(stamp_ns)
        values = self._values.pop(stamp_ns)
        exits = values['region_exit_layers'].split()
        regions = []
        for true, answer, layer in zip(truths.detections, answers.detections, exits, strict=True):
            best = answer.results[0].hypothesis if answer.results else None
            place = answer.bbox.center.position
            regions.append(
                RegionRecord(
                    label=best.class_id if best else '',
                    truth=true.results[0].hypothesis.class_id,
                    confidence=best.score if best else 0.0,
                    exit_layer=0 if layer == '-' else int(layer),
                    x=place.x,
                    y=place.y,
                    side=answer.bbox.size_x,
                )
            )
        record = PictureRecord(
            index=self.stamps.index(stamp_ns),
            stamp_ns=stamp_ns,
            regions=tuple(regions),
            layers=round(int(values['exit_layer']) / float(values['depth'])),
            adaptive_rate=float(values['adaptive_rate']),
            latency_ms=float(values['preprocess_ms']) + float(values['inference_ms']),
        )
        self.records[stamp_ns] = record
        self._on_record(record)
