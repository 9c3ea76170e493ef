"""One line of the report per answered frame, joined by stamp from what the node publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from demo.errors import DemoError

Shown = TypeVar('Shown')
Record = TypeVar('Record')
Values = Mapping[str, str]


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


class Join(Generic[Shown, Record]):
    """Joins the three messages of a frame, in whatever order they arrive.

    Attributes:
        stamps: Of the frames played, in order, nanoseconds.
        records: Of those answered, by stamp.
    """

    def __init__(self, make: Callable[[int, int, Shown, Shown, Values], Record]) -> None:
        """Start with nothing played.

        Args:
            make: Makes a record of the frame's place in the bag, its stamp, what it shows, what
                the node answered, and the values of `~/frame`.
        """
        self.stamps: list[int] = []
        self.records: dict[int, Record] = {}
        self._make = make
        self._truths: dict[int, tuple[int, Shown]] = {}
        self._answers: dict[int, Shown] = {}
        self._values: dict[int, Values] = {}

    def truth(self, stamp_ns: int, truth: Shown) -> Record | None:
        """Take what the player says a frame shows; returns the record if that completes it."""
        if stamp_ns not in self._truths:
            self._truths[stamp_ns] = (len(self.stamps), truth)
            self.stamps.append(stamp_ns)
        return self._complete(stamp_ns)

    def answer(self, stamp_ns: int, answer: Shown) -> Record | None:
        """Take the node's answer; returns the record if that completes it."""
        self._answers[stamp_ns] = answer
        return self._complete(stamp_ns)

    def values(self, stamp_ns: int, values: Values) -> Record | None:
        """Take the node's `~/frame` values; returns the record if that completes it."""
        self._values[stamp_ns] = values
        return self._complete(stamp_ns)

    def _complete(self, stamp_ns: int) -> Record | None:
        if stamp_ns in self.records:
            return None
        parts = (self._truths, self._answers, self._values)
        if not all(stamp_ns in part for part in parts):
            return None
        (index, truth), values = self._truths[stamp_ns], self._values[stamp_ns]
        try:
            record = self._make(index, stamp_ns, truth, self._answers[stamp_ns], values)
        except KeyError as err:
            raise DemoError(f"the node's frame record lacks {err}. Got {sorted(values)}") from err
        except ValueError as err:
            raise DemoError(f"the node's frame record has unexpected values: {err}") from err
        self.records[stamp_ns] = record
        return record


def frame_record(index: int, stamp_ns: int, truth: str, label: str, values: Values) -> FrameRecord:
    """Return the record of a frame that shows one thing; see `Join`."""
    return FrameRecord(
        index=index,
        stamp_ns=stamp_ns,
        label=label,
        truth=truth,
        confidence=float(values['confidence']),
        exit_layer=int(values['exit_layer']),
        depth=float(values['depth']),
        adaptive_rate=float(values['adaptive_rate']),
        latency_ms=latency_ms(values),
        age_ms=_age(values['age_ms']),
        drops=int(values['drops']),
    )


def latency_ms(values: Values) -> float:
    """Return the time for preprocessing and inference, milliseconds."""
    return float(values['preprocess_ms']) + float(values['inference_ms'])


def _age(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # the node writes the reason instead, such as 'clock mismatch'
        return None
