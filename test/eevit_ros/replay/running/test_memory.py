"""A replay takes as much memory for a drive of hours as for one of minutes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from eevit_ros.model.engine import Engine
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.recordings.truth import open_truth
from eevit_ros.replay.options import ReplayOptions
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.results.frame_table import frame_writer
from eevit_ros.replay.running.recording import RecordingReplay
from eevit_ros.speed.limit import LimitSettings
from test.eevit_ros.replay.made_replays import (
    BLACK,
    MIDDLE,
    WHITE,
    MadeSource,
    made_frame,
    unreadable,
)

GREYS = (WHITE, MIDDLE, BLACK, WHITE)
COUNT, FROM = 3000, 1000
KB = 1000


@pytest.mark.parametrize('real_time', [False, True])
def test_memory_does_not_grow_with_the_recording(
    tiny_path: Path, tmp_path: Path, real_time: bool
) -> None:
    engine = Engine(tiny_path)
    settings, _ = classifier_settings(None, ['shift.every_s:=0.0'])
    options = ReplayOptions(settings, LimitSettings(), latency='90', real_time=real_time)
    seen: list[int] = []

    def camera() -> Iterator[SourceFrame]:
        for index in range(COUNT):
            if index in (FROM, COUNT - 1):
                gc.collect()
                if not tracemalloc.is_tracing():
                    tracemalloc.start()
                seen.append(tracemalloc.get_traced_memory()[0])
            if index % 50 == 49:
                yield unreadable(index, f'frame {index} is damaged')
            else:
                yield made_frame(index, GREYS[index // 100 % len(GREYS)])

    source = MadeSource(camera())
    truth = tmp_path / 'truth.csv'
    truth.write_text('first,last,label\n0,1499,class 0\n1500,2999,class 1\n')
    ticks = 0

    def on_tick(time_ns: int, rate: float, percent: float) -> None:
        nonlocal ticks
        ticks += 1

    try:
        with frame_writer(tmp_path / 'frames.csv') as rows:
            labels = open_truth(str(truth), source)
            RecordingReplay(engine, options, source, labels, rows, on_tick).run()
    finally:
        tracemalloc.stop()
    assert rows.count == COUNT
    assert ticks > 1900
    before, after = seen
    # One picture is 2.3 kB, one row of the table 0.2 kB: 2000 of either would be seen.
    assert after - before < 200 * KB
