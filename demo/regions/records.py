"""What is known of each picture once the node has answered: of every thing in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vision_msgs.msg import Detection2D

from demo.records import Values, latency_ms


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


def picture_record(
    index: int,
    stamp_ns: int,
    truths: Sequence[Detection2D],
    answers: Sequence[Detection2D],
    values: Values,
) -> PictureRecord:
    """Return the record of a picture of several things; see `demo.records.Join`."""
    exits = values['region_exit_layers'].split()
    return PictureRecord(
        index=index,
        stamp_ns=stamp_ns,
        regions=tuple(_region(*parts) for parts in zip(truths, answers, exits, strict=True)),
        layers=round(int(values['exit_layer']) / float(values['depth'])),
        adaptive_rate=float(values['adaptive_rate']),
        latency_ms=latency_ms(values),
    )


def _region(truth: Detection2D, answer: Detection2D, exit_layer: str) -> RegionRecord:
    best = answer.results[0].hypothesis if answer.results else None
    place = answer.bbox.center.position
    return RegionRecord(
        label=best.class_id if best else '',
        truth=truth.results[0].hypothesis.class_id,
        confidence=best.score if best else 0.0,
        exit_layer=0 if exit_layer == '-' else int(exit_layer),
        x=place.x,
        y=place.y,
        side=answer.bbox.size_x,
    )
