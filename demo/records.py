"""One line of the report per answered frame, joined by stamp from what the node publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from demo.errors import DemoError


@dataclass(frozen=True)
class FrameRecord:
    """The node's answer to one frame, and the truth.

    Attributes:
        index: Place of the frame in the bag, from 0.
        stamp_ns: Stamp that the player gave it, nanoseconds since the epoch.
        label: The answer.
        truth: What the frame shows.
        confidence: Confidence of the answer, 0..1.
        exit_layer: Layers that ran.
        depth: Share of the model's layers that ran, 0..1.
        adaptive_rate: Adaptive rate after this answer, 0..1.
        latency_ms: Time for preprocessing and inference.
        age_ms: Time from the frame's stamp to the answer; None if the clocks disagree.
        drops: Frames that the node had replaced by newer ones until then.
    """

    index: int
    stamp_ns: int
    label: str
    truth: str
    confidence: float
    exit_layer: int
    depth: float
    adaptive_rate: float
    latency_ms: float
    age_ms: float | None
    drops: int

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.label == self.truth

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return round(self.exit_layer / self.depth)


class Join:
    """Joins the three messages of a frame, in whatever order they arrive."""

    def __init__(self) -> None:
        """Start with nothing played."""
        self.stamps: list[int] = []  # of the frames played, in order
        self.records: dict[int, FrameRecord] = {}
        self._truths: dict[int, tuple[int, str]] = {}
        self._labels: dict[int, str] = {}
        self._values: dict[int, Mapping[str, str]] = {}

    def truth(self, stamp_ns: int, truth: str) -> FrameRecord | None:
        """Take what the player says a frame shows; returns the record if that completes it."""
        if stamp_ns not in self._truths:
            self._truths[stamp_ns] = (len(self.stamps), truth)
            self.stamps.append(stamp_ns)
        return self._complete(stamp_ns)

    def label(self, stamp_ns: int, label: str) -> FrameRecord | None:
        """Take the node's answer; returns the record if that completes it."""
        self._labels[stamp_ns] = label
        return self._complete(stamp_ns)

    def values(self, stamp_ns: int, values: Mapping[str, str]) -> FrameRecord | None:
        """Take the node's `~/frame` values; returns the record if that completes it."""
        self._values[stamp_ns] = values
        return self._complete(stamp_ns)

    def _complete(self, stamp_ns: int) -> FrameRecord | None:
        if stamp_ns in self.records:
            return None
        if not (stamp_ns in self._truths and stamp_ns in self._labels and stamp_ns in self._values):
            return None
        index, truth = self._truths[stamp_ns]
        values = self._values[stamp_ns]
        try:
            record = FrameRecord(
                index=index,
                stamp_ns=stamp_ns,
                label=self._labels[stamp_ns],
                truth=truth,
                confidence=float(values['confidence']),
                exit_layer=int(values['exit_layer']),
                depth=float(values['depth']),
                adaptive_rate=float(values['adaptive_rate']),
                latency_ms=float(values['preprocess_ms']) + float(values['inference_ms']),
                age_ms=_age(values['age_ms']),
                drops=int(values['drops']),
            )
        except KeyError as err:
            raise DemoError(f"the node's frame record lacks {err}. Got {sorted(values)}") from err
        except ValueError as err:
            raise DemoError(f"the node's frame record has unexpected values: {err}") from err
        self.records[stamp_ns] = record
        return record


def _age(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # the node writes the reason instead, such as 'clock mismatch'
        return None
