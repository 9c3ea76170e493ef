"""One recording through the core of the node: a row a frame, a tick every tenth of a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine
from eevit_ros.parameters.classifier import Settings
from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.perception import FrameRecord, Observation, Perception
from eevit_ros.perception.stamps import frame_age_ms, mismatch, useless
from eevit_ros.recordings.source import Source, SourceFrame
from eevit_ros.recordings.truth import Truth
from eevit_ros.regions.classify import cut, exit_layers, may_hold
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.results.frame_table import (
    ANSWERED,
    BAD,
    DROPPED,
    UNASKED,
    FrameRow,
    InOrder,
)
from eevit_ros.replay.results.table import RowWriter
from eevit_ros.replay.running.clock import live, unhurried
from eevit_ros.replay.running.latency import open_latency
from eevit_ros.replay.running.output_bag import OutputBag
from eevit_ros.replay.running.regions import Found, RegionReplay, with_detections
from eevit_ros.replay.running.simulated_governor import SimulatedGovernor, Tick, seconds
from eevit_ros.speed.rate import without_age


class _Camera:
    """What lasts from one frame of a camera to the next."""

    def __init__(self, engine: Engine, settings: Settings, regions: RegionReplay | None) -> None:
        self.settings = settings
        self.regions = regions
        self.perception = Perception(engine, settings.perception)
        self.health = CameraHealth(settings.frozen_after_frames, 0.0)
        self.drops = 0

    def notes(self, observation: Observation, record: FrameRecord) -> str:
        """Return the words of the column `notes` for its frame at hand."""
        unsure = observation.result.confidence < self.settings.perception.rate.min_confidence
        notes = {
            'blind': observation.blind,
            'frozen': self.health.frozen,
            'unsure': unsure,
            'shifted': bool(self.perception.shift.warning),
            'ageless': record.age_ms is None,
        }
        return ' '.join(note for note, holds in notes.items() if holds)


class RecordingReplay:
    """One recording, replayed from the start by a node that has just been activated.

    The recorded arrival times stand for the steady clock of the node, and for the clock of the
    stamps when the age of an answer is computed.
    """

    def __init__(
        self,
        engine: Engine,
        options: ReplayOptions,
        source: Source,
        truth: Truth,
        rows: RowWriter,
        on_tick: Tick,
        bag: OutputBag | None = None,
        regions: Mapping[str, RegionReplay] = MappingProxyType({}),
    ) -> None:
        """Prepare.

        Args:
            engine: The model, loaded.
            options: Parameters of both nodes, clock and latency.
            source: The recording; read once.
            truth: Labels of its frames.
            rows: Takes a row for each frame.
            on_tick: Called ten times a second with rate and limit.
            bag: Takes pictures and answers; None writes no bag.
            regions: The boxes of each camera's detector; of cameras without, whole frames are
                classified.
        """
        self._engine = engine
        self._options = options
        self._latency = open_latency(options.latency)
        self._source = source
        self._truth = truth
        # Of several cameras a frame may wait for long while others have their turns; with regions
        # it waits for its detections.
        self._rows: RowWriter | InOrder = InOrder(rows) if options.cameras or regions else rows
        self._bag = bag
        self._cameras = {
            name: _Camera(engine, one.settings, regions.get(name))
            for name, one in options.by_camera.items()
        }
        self._governor = SimulatedGovernor(self._lowest_at, options.governor, on_tick)
        self._free_ns = 0
        self._unwritten = 0
        self._first_unwritten = ''
        self._ageless = 0
        self._first_ageless = ''

    def run(self, on_frame: Callable[[], object] = lambda: None) -> None:
        """Replay all of it; `on_frame` is called after each frame.

        Raises:
            EevitError: The output cannot be written. A frame that cannot be read, or that the model
                fails on, becomes a row.
        """
        regions = {name: one.regions for name, one in self._cameras.items() if one.regions}
        frames = with_detections(self._source, regions) if regions else self._source
        starts = unhurried(frames)
        if self._options.real_time:
            weights = {name: one.weight for name, one in self._options.by_camera.items()}
            starts = live(frames, lambda: self._free_ns, weights, self._asks)
        for frame, start_ns in starts:
            camera = self._cameras[frame.camera]
            camera.health.update(frame.stamp_ns, frame.data, seconds(frame.received_ns))
            if not self._asks(frame):
                self._picture(frame)
                self._write(frame, UNASKED, max(frame.received_ns, self._free_ns))
            elif start_ns is None:
                camera.drops += 1
                if camera.regions is not None:
                    camera.regions.drop(frame)
                self._picture(frame)
                self._write(frame, DROPPED, max(frame.received_ns, self._free_ns))
            else:
                self._answer(frame, camera, start_ns)
            on_frame()
        for one in regions.values():
            self._source.problems += one.problems()
        if self._unwritten:
            self._source.problems.append(
                f'{self._unwritten} pictures are not in the output bag, the first that of '
                f'{self._first_unwritten}'
            )
        if self._ageless:
            self._source.problems.append(
                f'{self._source.name}: {self._ageless} answers have no age: {self._first_ageless}'
            )

    def _asks(self, frame: SourceFrame) -> bool:
        regions = self._cameras[frame.camera].regions
        return regions is None or regions.has(frame)

    def _answer(self, frame: SourceFrame, camera: _Camera, start_ns: int) -> None:
        begin_s = time.perf_counter()
        found: Found | None = None
        observation: Observation | None = None
        try:
            if camera.regions is None:
                image = frame.decode(self._engine.input_size)
                observation = camera.perception.observe(image)
            else:
                image = frame.decode()
                found = camera.regions.classify(frame, image)
                if found.results:
                    observation = camera.perception.observe_regions(image, found.results)
        except EevitError as err:
            if camera.regions is not None:
                camera.regions.drop(frame)
            now_ns = self._free_ns = max(self._free_ns, start_ns)
            self._governor.until(now_ns)
            rate = camera.perception.fault(seconds(now_ns))
            percent = self._limit(frame, rate, now_ns)
            self._write(frame, BAD, now_ns, percent, adaptive_rate=rate, notes=str(err))
            return
        if observation is None:
            assert found is not None
            self._no_region(frame, image, found, start_ns)
            return
        measured_ms = (time.perf_counter() - begin_s) * 1e3
        latency_ms = self._latency(self._source.name, frame.index, measured_ms)
        # Answers do not overtake each other.
        now_ns = self._free_ns = max(self._free_ns, start_ns + round(latency_ms * 1e6))
        self._governor.until(now_ns)
        record = camera.perception.record(
            observation,
            stamp_ns=frame.stamp_ns,
            now_ns=now_ns + frame.clock_set_ns,
            now_s=seconds(now_ns),
            doubtful=camera.health.frozen,
            drops=camera.drops,
            useless_stamps=bool(camera.health.stamps.fault),
            mounting=camera.settings.images.mounting,
        )
        if record.age_ms is None:
            self._count_ageless(frame, camera, record)
        result, rate = record.result, record.adaptive_rate
        self._picture(frame, image)
        truth, shown = None, image
        if found is not None:
            hardest = found.asked[camera.perception.hardest(found.results)]
            truth = self._regions(frame, image, found, now_ns)[hardest]
            shown = cut(image, found.regions[hardest].rect)
            record = replace(record, region_exit_layers=exit_layers(found.regions))
        if self._bag is not None:
            self._bag.answer(frame, record, now_ns)
        percent = self._limit(frame, rate, now_ns)
        self._write(
            frame,
            ANSWERED,
            now_ns,
            percent,
            truth=truth,
            label=result.class_name,
            reference=self._reference(shown),
            confidence=result.confidence,
            exit_layer=result.exit_layer,
            depth=result.depth,
            macs=self._engine.metadata.macs[result.exit_index],
            adaptive_rate=rate,
            latency_ms=latency_ms,
            age_ms=record.age_ms,
            notes=camera.notes(observation, record),
            contrast=observation.contrast,
        )

    def _no_region(self, frame: SourceFrame, image: Image, found: Found, start_ns: int) -> None:
        """Take a frame whose detector saw nothing that can be asked about."""
        camera = self._cameras[frame.camera]
        now_ns = self._free_ns = max(self._free_ns, start_ns)
        self._governor.until(now_ns)
        seen, frozen = camera.perception.look(image), camera.health.frozen
        no_age = bool(camera.health.stamps.fault)
        age_ms = None if no_age else frame_age_ms(frame.stamp_ns, now_ns + frame.clock_set_ns)
        hold = may_hold(found.regions, camera.settings.region)
        rate = camera.perception.no_evidence(
            seen, age_ms, seconds(now_ns), doubtful=frozen, hold=hold
        )
        self._picture(frame, image)
        self._regions(frame, image, found, now_ns)
        percent = self._limit(frame, rate, now_ns)
        notes = ' '.join(['blind'] * seen[1] + ['frozen'] * frozen)
        self._write(frame, UNASKED, now_ns, percent, adaptive_rate=rate, notes=notes)

    def _regions(
        self, frame: SourceFrame, image: Image, found: Found, time_ns: int
    ) -> Sequence[str]:
        """Write the regions of a frame; return the true class of each, '' where nobody knows."""
        regions = self._cameras[frame.camera].regions
        assert regions is not None
        truths = regions.write(frame, image, found)
        if self._bag is not None:  # which puts its own classes into the message
            self._bag.regions(frame.camera, found.message, found.regions, time_ns)
        return truths

    def _limit(self, frame: SourceFrame, rate: float, time_ns: int) -> float:
        """Return the speed limit after a frame, percent; `rate` is that of its camera."""
        lowest = self._lowest_at(seconds(time_ns))
        percent = self._governor.update(lowest, time_ns)
        if self._bag is not None:
            if frame.camera:
                self._bag.rate(frame.camera, time_ns, rate)
            self._bag.limit(time_ns, lowest, percent)
        return percent

    def _lowest_at(self, now_s: float) -> float:
        """Return the rate that the node publishes on ~/adaptive_rate."""
        return min(camera.perception.rate_at(now_s) for camera in self._cameras.values())

    def _count_ageless(self, frame: SourceFrame, camera: _Camera, record: FrameRecord) -> None:
        if floor := without_age(camera.settings.perception.rate):
            self._ageless += 1
            fault = useless(camera.health.stamps.fault) or mismatch(record.behind_s)
            first = f'{floor}; the first is frame {frame.index}: {fault}'
            self._first_ageless = self._first_ageless or first

    def _reference(self, image: Image) -> str:
        if not self._options.reference:
            return ''
        return self._engine.run(image, full_depth=True).class_name

    def _picture(self, frame: SourceFrame, image: Image | None = None) -> None:
        if self._bag is None:
            return
        try:
            self._bag.picture(frame, image)
        except EevitError as err:
            self._unwritten += 1
            self._first_unwritten = self._first_unwritten or f'frame {frame.index}: {err}'

    def _write(
        self,
        frame: SourceFrame,
        status: str,
        time_ns: int,
        percent: float | None = None,
        truth: str | None = None,
        **cells: Any,
    ) -> None:
        if percent is None:
            self._governor.until(time_ns)
            percent = self._governor.limit_percent(time_ns)
        self._rows.write(
            FrameRow(
                bag=self._source.name,
                index=frame.index,
                stamp_ns=frame.stamp_ns,
                received_ns=frame.received_ns,
                status=status,
                truth=self._truth.label(frame) if truth is None else truth,
                place=self._truth.place(frame),
                speed_limit_percent=percent,
                camera=frame.camera,
                **cells,
            )
        )
