from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from eevit_ros.replay.report import figures
from eevit_ros.replay.report.time_axis import TimeAxis
from eevit_ros.replay.report.timeline import timeline
from eevit_ros.replay.results.frame_table import BAD, DROPPED, FrameRow
from eevit_ros.reporting.style import to_svg
from test.eevit_ros.replay.made_frames import (
    START_NS,
    drive,
    facts,
    frame_row,
    limits_of,
    table,
    unanswered,
)

SECOND_NS = 1_000_000_000


def labels(figure: Figure) -> set[str]:
    """Names in the legends."""
    return {name for axes in figure.axes for name in axes.get_legend_handles_labels()[1]}


def later(row: FrameRow, seconds: float) -> FrameRow:
    return replace(row, received_ns=row.received_ns + round(seconds * SECOND_NS))


def many(path: Path, count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A drive of 5000 frames again and again, as one recording of 15 Hz."""
    rows = drive(5000)
    frames = pd.concat([table(path, rows)] * (count // len(rows)), ignore_index=True)
    frames['received_ns'] = START_NS + np.arange(len(frames)) * SECOND_NS // 15
    times = np.arange(START_NS, int(frames['received_ns'].iloc[-1]), SECOND_NS // 10)
    limits = pd.DataFrame(
        {
            'bag': 'run_1',
            'time_ns': times,
            'adaptive_rate': np.linspace(0.2, 1, len(times)),
            'speed_limit_percent': np.linspace(20, 100, len(times)),
        }
    )
    return frames, limits


@pytest.mark.parametrize('count', [2000, 10_000, 200_000])
def test_the_timeline_stays_small_however_long_the_recording(tmp_path: Path, count: int) -> None:
    if count <= 5000:
        rows = drive(count)
        frames, limits = table(tmp_path, rows), limits_of(rows)
    else:
        frames, limits = many(tmp_path, count)
    assert len(to_svg(timeline(frames, limits, facts()))) < 300_000


@pytest.mark.parametrize('recordings', [40, 500])
def test_the_timeline_of_many_recordings_stays_small(tmp_path: Path, recordings: int) -> None:
    rows = [row for n in range(recordings) for row in drive(2000 // recordings, bag=f'run {n}')]
    assert len(to_svg(timeline(table(tmp_path, rows), limits_of(rows), facts()))) < 300_000


def test_recordings_follow_each_other_on_the_axis(tmp_path: Path) -> None:
    first, second = drive(30, bag='a'), [later(row, -86400) for row in drive(60, bag='b')]
    frames = table(tmp_path, [*first, *second])
    axis = TimeAxis(frames)
    assert [one.name for one in axis.stretches] == ['a', 'b']
    assert (np.diff(axis.places) > 0).all()
    assert axis.end == pytest.approx(90 / 15, abs=0.02)
    assert not axis.shortened
    # Half a second into b, between two of its frames.
    times = np.array([second[0].received_ns + SECOND_NS // 2, second[0].received_ns - SECOND_NS])
    places = axis.at(pd.Series(['b', 'b']), times)
    assert places[0] == pytest.approx(axis.stretches[1].places[0] + 0.5)
    assert np.isnan(places[1])
    assert np.isnan(axis.at(pd.Series(['c']), times[:1])).all()


def test_a_long_silence_takes_little_of_the_axis(tmp_path: Path) -> None:
    rows = drive(300)
    rows = rows[:150] + [later(row, 3600) for row in rows[150:]]
    axis = TimeAxis(table(tmp_path, rows))
    (silence,) = axis.stretches[0].silences
    assert silence.seconds == pytest.approx(3600, abs=0.1)
    assert silence.end - silence.start < 0.04 * 20
    assert axis.shortened
    assert axis.end < 21


def test_the_timeline_names_who_judges(tmp_path: Path) -> None:
    def shown(rows: list[FrameRow]) -> set[str]:
        return labels(timeline(table(tmp_path, rows), limits_of(rows), facts()))

    assert {'right', 'wrong', 'speed limit', 'adaptive rate'} <= shown(drive(100))
    assert {'as at full depth', 'not as at full depth'} <= shown(
        drive(100, truth=False, reference=True)
    )
    assert 'answer' in shown(drive(100, truth=False))
    assert {'right', 'no truth'} <= shown(drive(50) + drive(50, bag='b', truth=False))


def test_the_timeline_counts_what_was_left_out(tmp_path: Path) -> None:
    rows = [frame_row(n) for n in range(30)]
    rows[4], rows[9] = unanswered(rows[4], DROPPED), unanswered(rows[9], DROPPED)
    rows[20] = unanswered(rows[20], BAD, 'broken')
    drawn = timeline(table(tmp_path, rows), limits_of(rows), facts())
    assert '2 dropped\n1 bad' in [axes.get_ylabel() for axes in drawn.axes]
    whole = [frame_row(n) for n in range(30)]
    drawn = timeline(table(tmp_path, whole), limits_of(whole), facts())
    assert len(drawn.axes) == 2


@pytest.mark.parametrize(
    'rows',
    [
        pytest.param([frame_row(0)], id='one frame'),
        pytest.param([unanswered(row, DROPPED) for row in drive(20)], id='no answer'),
        pytest.param([frame_row(n, received_ns=START_NS) for n in range(3)], id='at one time'),
        pytest.param([frame_row(0, bag='$a_{'), frame_row(0, bag='b^$')], id='names like formulas'),
        pytest.param(
            [frame_row(n, adaptive_rate=None, latency_ms=None, confidence=None) for n in range(3)],
            id='numbers missing',
        ),
    ],
)
def test_poor_replays_are_drawn_all_the_same(tmp_path: Path, rows: list[FrameRow]) -> None:
    frames, limits = table(tmp_path, rows), limits_of(rows)
    for figure in (
        timeline(frames, limits, facts()),
        timeline(frames, limits.iloc[:0], facts()),
        figures.exit_histogram(frames, facts()),
        figures.latency_by_exit(frames, facts()),
        figures.accuracy_by_exit(frames, facts()),
        figures.confidence_histogram(frames),
    ):
        assert to_svg(figure).startswith('<svg')


def heights(figure: Figure) -> dict[int, float]:
    """The top of the bars at each whole place."""
    tops: dict[int, float] = {}
    for bar in figure.axes[0].patches:
        place = round(bar.get_x() + bar.get_width() / 2)
        tops[place] = max(tops.get(place, 0.0), bar.get_y() + bar.get_height())
    return {place: top for place, top in tops.items() if top}


def test_exits_and_their_accuracy(tmp_path: Path) -> None:
    frames = table(
        tmp_path,
        [
            *(frame_row(n, exit_layer=4, label='cat', truth='cat') for n in range(30)),
            *(frame_row(n, exit_layer=12, label='cat', truth='dog') for n in range(30, 40)),
            *(frame_row(n, exit_layer=12, label='dog', truth='dog') for n in range(40, 60)),
            frame_row(60, exit_layer=8),
            unanswered(frame_row(61), DROPPED),
        ],
    )
    assert heights(figures.exit_histogram(frames, facts())) == {4: 30, 8: 1, 12: 30}
    accuracy = heights(figures.accuracy_by_exit(frames, facts()))
    assert accuracy == {4: 100, 12: pytest.approx(100 * 2 / 3)}


def test_whiskers_reach_p99(tmp_path: Path) -> None:
    rows = [frame_row(n, exit_layer=6, latency_ms=float(n)) for n in range(101)]
    drawn = figures.latency_by_exit(table(tmp_path, rows), facts()).axes[0]
    heights = [max(line.get_ydata()) for line in drawn.lines]  # type: ignore[type-var, arg-type]
    assert max(heights) == 99
    assert 50 in heights


def test_nothing_in_a_figure_depends_on_the_clock(tmp_path: Path) -> None:
    rows = drive(50)
    frames, limits = table(tmp_path, rows), limits_of(rows)
    svg = [to_svg(timeline(frames, limits, facts())) for _ in range(2)]
    assert svg[0] == svg[1]
    assert not re.search(r'href="(?!#|data:)', svg[0])
