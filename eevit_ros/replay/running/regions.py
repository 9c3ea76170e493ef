"""The boxes of a bag's detector on the way through a replay, as they go through the node."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine, ExitResult
from eevit_ros.recordings.bag.messages import Recorded, deserialize
from eevit_ros.recordings.bag.source import BagSource
from eevit_ros.recordings.cameras import by_camera
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.regions.box import Rect, overlap, place
from eevit_ros.regions.classify import Detection, Region, RegionClassifier, read_detections
from eevit_ros.regions.pairing import KEPT
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.options import CameraOptions, ReplayOptions
from eevit_ros.replay.results.frame_table import ANSWERED
from eevit_ros.replay.results.region_table import UNCLASSIFIED, UNUSABLE, RegionRow
from eevit_ros.replay.results.table import RowWriter

SAME = 0.5
"""Boxes that overlap by this share of both together are of one thing."""


def regions_of(
    engine: Engine, options: ReplayOptions, source: Source, rows: RowWriter
) -> dict[str, RegionReplay]:
    """Return the detections of each camera that has `regions`, by its name.

    Args:
        engine: The model.
        options: How to replay.
        source: The recording.
        rows: Takes a row for each region.

    Raises:
        EevitError: The recording has no such detections, or truth is something else.
    """
    sources = by_camera(source)
    return {
        name: RegionReplay(engine, one, sources[name], source.name, rows)
        for name, one in options.by_camera.items()
        if one.settings.region.regions
    }


def with_detections(
    frames: Iterable[SourceFrame], regions: Mapping[str, RegionReplay]
) -> Iterator[SourceFrame]:
    """Let frames arrive when their detections have; those that have none, as they come.

    As in the node, the newest `KEPT` of a camera wait for their detections.

    Args:
        frames: Frames in the order of their arrival.
        regions: Detections by camera.
    """
    waiting: list[tuple[int, int, SourceFrame]] = []
    for number, frame in enumerate(frames):
        due_ns = frame.received_ns
        while waiting and waiting[0][0] <= frame.received_ns:
            yield heapq.heappop(waiting)[2]
        if of_camera := regions.get(frame.camera):
            due_ns = of_camera.due_ns(frame)
            if (index := of_camera.crowded_out()) is not None:
                of = [(one.camera, one.index) for *_, one in waiting]
                lost = waiting.pop(of.index((frame.camera, index)))[2]
                heapq.heapify(waiting)
                yield replace(lost, received_ns=frame.received_ns)
        heapq.heappush(waiting, (due_ns, number, replace(frame, received_ns=due_ns)))
    while waiting:
        yield heapq.heappop(waiting)[2]


class Found(NamedTuple):
    """The detections of a frame and their answers.

    Attributes:
        message: The vision_msgs/Detection2DArray.
        detections: What it holds.
        regions: What became of each.
    """

    message: Any
    detections: list[Detection]
    regions: list[Region]

    @property
    def asked(self) -> list[int]:
        """Places of the regions that were answered."""
        return [index for index, region in enumerate(self.regions) if region.result]

    @property
    def results(self) -> list[ExitResult]:
        """Their answers."""
        return [region.result for region in self.regions if region.result]


class RegionReplay:
    """Detections of one camera in a bag, and what became of each."""

    def __init__(
        self, engine: Engine, options: CameraOptions, source: Source, name: str, rows: RowWriter
    ) -> None:
        """Read the detections.

        Args:
            engine: The model.
            options: Of the camera.
            source: The recording, a bag.
            name: Its name in the table.
            rows: Takes a row for each region.

        Raises:
            EevitError: The source has no such detections, or truth is something else.
        """
        if not isinstance(source, BagSource):
            raise ReplayError(f'{name} is not a bag and has no detections (regions: true)')
        truth = options.truth
        if truth is not None and not source.has_detections(truth):
            raise ReplayError(
                'with regions --truth must be a topic of vision_msgs/Detection2DArray in the bag, '
                f'its boxes with their true classes. Got {truth!r}'
            )
        self._engine = engine
        self._wait_s = options.settings.region.regions_wait_s
        self._mounting = options.settings.images.mounting
        self._name = name
        self._classifier = RegionClassifier(engine, options.settings.region)
        self._detections = source.detections(options.detections, truth or '')
        self._truth = {} if truth is None else source.detections(truth)
        self._rows = rows
        self._taken: set[tuple[int, str]] = set()
        self._waiting: dict[int, Recorded] = {}  # by index of the frame
        self._pictures: dict[int, int] = {}  # until when they wait in the node, by index
        self._alone = 0

    def due_ns(self, frame: SourceFrame) -> int:
        """Return when a frame and its detections have arrived; without any, when it has."""
        now_ns = frame.received_ns
        self._pictures = {at: end_ns for at, end_ns in self._pictures.items() if end_ns > now_ns}
        if (found := self._of(frame)) is None:
            self._alone += 1
            self._pictures[frame.index] = now_ns + round(self._wait_s * 1e9)
            return now_ns
        self._taken.add(_key(frame))
        self._waiting[frame.index] = found
        due_ns = max(now_ns, found.log_ns - frame.clock_set_ns)
        if due_ns > now_ns:
            self._pictures[frame.index] = due_ns
        return due_ns

    def crowded_out(self) -> int | None:
        """Return the index of a frame that too many have followed before its detections came."""
        if len(self._pictures) <= KEPT:
            return None
        index = next(iter(self._pictures))
        del self._pictures[index]
        if self._waiting.pop(index, None) is None:
            return None
        self._alone += 1
        return index

    def drop(self, frame: SourceFrame) -> None:
        """Let go of the detections of a frame that is not classified."""
        self._waiting.pop(frame.index, None)

    def has(self, frame: SourceFrame) -> bool:
        """Return whether a frame has detections."""
        return frame.index in self._waiting

    def classify(self, frame: SourceFrame, image: Image) -> Found:
        """Classify the boxes of a frame.

        Raises:
            EevitError: The model fails.
        """
        message = deserialize(self._waiting.pop(frame.index))
        detections = read_detections(message)
        regions = self._classifier.classify(image, detections, self._mounting)
        return Found(message, detections, regions)

    def write(self, frame: SourceFrame, image: Image, found: Found) -> list[str]:
        """Write a row for each region; return the true class of each, '' where nobody knows."""
        names, macs = self._engine.metadata.class_names, self._engine.metadata.macs
        message, detections, regions = found
        truths = self._truths(frame, detections, *image.shape[:2])
        for index, (one, region) in enumerate(zip(detections, regions, strict=True)):
            result, known = region.result, region.probabilities
            best = None if known is None else int(known.argmax())
            kind = ANSWERED if result else UNUSABLE if region.rect is None else UNCLASSIFIED
            self._rows.write(
                RegionRow(
                    bag=self._name,
                    camera=frame.camera,
                    index=frame.index,
                    stamp_ns=frame.stamp_ns,
                    region=index,
                    id=message.detections[index].id,
                    x=one.box.x,
                    y=one.box.y,
                    width=one.box.width,
                    height=one.box.height,
                    theta=one.box.theta,
                    detected=best_class(message.detections[index]),
                    score=one.score,
                    status=kind,
                    label='' if best is None else names[best],
                    truth=truths[index],
                    confidence=None if known is None or best is None else float(known[best]),
                    exit_layer=result.exit_layer if result else None,
                    depth=result.depth if result else None,
                    macs=macs[result.exit_index] if result else None,
                    notes=region.why if region.rect is None else '',
                )
            )
        return truths

    def problems(self) -> list[str]:
        """Return what did not match, after all frames."""
        found = []
        name = self._name
        if self._alone:
            found.append(
                f'{name}: {self._alone} frame(s) were not answered: they have no detections, or '
                f'these came more than regions_wait_s or {KEPT} images later'
            )
        unmatched = [key for key in self._detections if key not in self._taken]
        if unmatched:
            stamp_ns, frame_id = unmatched[0]
            found.append(
                f'{name}: {len(unmatched)} message(s) of detections fit no frame, the first of '
                f'stamp {stamp_ns} ns and frame id {frame_id!r}: do they copy the header of the '
                f'image, and come within regions_wait_s?'
            )
        return found

    def _of(self, frame: SourceFrame) -> Recorded | None:
        found = self._detections.get(_key(frame))
        if found is None or frame.stamp_ns == 0 or _key(frame) in self._taken:
            return None
        late_s = abs(found.log_ns - frame.clock_set_ns - frame.received_ns) * 1e-9
        return found if late_s <= self._wait_s else None

    def _truths(
        self, frame: SourceFrame, detections: list[Detection], height: int, width: int
    ) -> list[str]:
        """Return the true class of each detection: that of the box most like it."""
        if (recorded := self._truth.get(_key(frame))) is None:
            return [''] * len(detections)
        message, mounting = deserialize(recorded), self._mounting
        known = [
            (rect, best_class(one))
            for one, true in zip(message.detections, read_detections(message), strict=True)
            if isinstance(rect := place(true.box, 0.0, height, width, mounting), Rect)
        ]
        found = []
        for one in detections:
            rect = place(one.box, 0.0, height, width, mounting)
            alike = [(overlap(rect, x), name) for x, name in known if isinstance(rect, Rect)]
            found.append(max([x for x in alike if x[0] >= SAME], default=(0.0, ''))[1])
        return found


def best_class(detection: Any) -> str:
    """Return the class of the highest score of a vision_msgs/Detection2D; '' for none."""
    results = [one.hypothesis for one in detection.results]
    return str(max(results, key=lambda one: float(one.score)).class_id) if results else ''


def _key(frame: SourceFrame) -> tuple[int, str]:
    return frame.stamp_ns, frame.frame_id
