"""Frames in memory and replays of them: for tests of what a replay makes of frames."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from eevit_ros.errors import EevitError
from eevit_ros.images.resize import Image
from eevit_ros.model.engine import Engine
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.recordings.truth import open_truth
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.results.frame_table import COLUMNS, FrameRow
from eevit_ros.replay.results.table import RowWriter
from eevit_ros.replay.running.recording import RecordingReplay
from eevit_ros.speed.limit import LimitSettings

WHITE, MIDDLE, BLACK = 255, 130, 0  # leave the tiny model after layer 1, 2, 4 of 4
FIRST_NS = 1_700_000_000_000_000_000
STEP_NS = 66_000_000
MS = 1_000_000


def picture(grey: int, serial: int, *, height: int = 24, width: int = 32) -> Image:
    """Return a picture of one brightness, but with a corner, so not blind, and a serial number."""
    pixels = np.full((height, width, 3), grey, np.uint8)
    pixels[-3:, -4:] = grey - 64 if grey > 127 else grey + 64
    pixels[0, :4] = np.frombuffer(serial.to_bytes(4, 'little'), np.uint8)[:, np.newaxis]
    return pixels


def made_frame(index: int, grey: int = WHITE, **changes: Any) -> SourceFrame:
    """Return a frame of a camera of 15 Hz, stamped 2 ms before it arrives."""
    pixels = picture(grey, index)
    arrived = FIRST_NS + index * STEP_NS
    frame = SourceFrame(
        index=index,
        received_ns=arrived,
        stamp_ns=arrived - 2 * MS,
        data=pixels.tobytes(),
        format='',
        decode=partial(_same, pixels),
    )
    return replace(frame, **changes)


def made_frames(count: int, grey: int = WHITE) -> list[SourceFrame]:
    return [made_frame(index, grey) for index in range(count)]


def unreadable(index: int, why: str) -> SourceFrame:
    return made_frame(index, decode=partial(_refuse, why))


class MadeSource:
    """Frames as a `Source`."""

    topic = ''

    def __init__(self, frames: Iterable[SourceFrame], name: str = 'made') -> None:
        self.name = name
        self.frames: int | None = None
        self.problems: list[str] = []
        self._frames = frames

    def __iter__(self) -> Iterator[SourceFrame]:
        return iter(self._frames)

    def stamped_labels(self, topic: str) -> dict[int, str]:
        raise AssertionError(f'nobody asked for {topic}')


class Tick(NamedTuple):
    time_ns: int
    rate: float
    percent: float


class Outcome(NamedTuple):
    """Rows and ticks, the rows as the file holds them, and what else was said."""

    rows: list[FrameRow]
    ticks: list[Tick]
    text: str
    problems: list[str]


class _KeepingWriter(RowWriter):
    def __init__(self, file: io.StringIO) -> None:
        super().__init__(file, COLUMNS[:-1])
        self.rows: list[FrameRow] = []

    def write(self, row: FrameRow) -> None:
        self.rows.append(row)
        super().write(row)


def replayed(
    engine: Engine,
    frames: Iterable[SourceFrame],
    *parameters: str,
    latency: str = '20',
    governor: LimitSettings | None = None,
    on_frame: Callable[[], object] = lambda: None,
    **options: bool,
) -> Outcome:
    """Replay frames; `parameters` are NAME:=VALUE."""
    settings, _ = classifier_settings(None, parameters)
    shared = ReplayOptions(settings, governor or LimitSettings(), latency=latency, **options)
    source, file, ticks = MadeSource(frames), io.StringIO(), []
    rows = _KeepingWriter(file)
    truth = open_truth(None, source)
    replay = RecordingReplay(
        engine, shared, source, truth, rows, lambda *tick: ticks.append(Tick(*tick))
    )
    replay.run(on_frame)
    return Outcome(rows.rows, ticks, file.getvalue(), source.problems)


def _same(pixels: Image, target: object = None) -> Image:
    return pixels


def _refuse(why: str, target: object = None) -> Image:
    raise EevitError(why)


def approx(value: float) -> Any:
    """Equal but for rounding."""
    return pytest.approx(value, abs=1e-6)
