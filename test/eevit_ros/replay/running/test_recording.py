"""One recording through the node's core: a row a frame, as a live node would have answered it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from eevit_ros.model.engine import Engine
from eevit_ros.replay.errors import ReplayError
from eevit_ros.replay.results.frame_table import ANSWERED, BAD, DROPPED, frame_writer, read_frames
from eevit_ros.replay.running.latency import open_latency
from harness.tiny_model import write_tiny_model
from test.eevit_ros.replay.made_replays import (
    BLACK,
    FIRST_NS,
    MIDDLE,
    MS,
    STEP_NS,
    WHITE,
    approx,
    made_frame,
    made_frames,
    picture,
    replayed,
    unreadable,
)


@pytest.fixture(scope='module')
def engine(tiny_path: Path) -> Engine:
    return Engine(tiny_path)


@pytest.mark.parametrize(('grey', 'layer'), [(WHITE, 1), (MIDDLE, 2), (BLACK, 4)])
def test_a_row_holds_the_engines_answer(engine: Engine, grey: int, layer: int) -> None:
    (row,) = replayed(engine, [made_frame(0, grey)]).rows
    result = engine.run(picture(grey, 0))
    assert (row.status, row.label, row.confidence) == (ANSWERED, 'class 0', result.confidence)
    assert (row.exit_layer, row.depth, row.macs) == (layer, layer / 4, 1000 * layer)
    assert row.adaptive_rate == 0.2  # nothing is trusted before rate.easy_frames answers


def test_an_answer_is_as_old_as_its_way_and_its_latency(engine: Engine) -> None:
    frames = [
        replace(frame, stamp_ns=frame.received_ns - frame.index * MS) for frame in made_frames(4)
    ]
    rows = replayed(engine, frames, latency='12.5').rows
    assert [row.latency_ms for row in rows] == [12.5] * 4
    assert [row.age_ms for row in rows] == [approx(12.5 + index) for index in range(4)]


def test_a_slow_computer_is_replayed_as_one_that_keeps_up(engine: Engine) -> None:
    # 150 ms a frame at 66 ms: as if three computers took turns.
    frames = made_frames(200)
    frames[100] = unreadable(100, 'damaged')
    outcome = replayed(engine, frames, latency='150')
    assert [row.age_ms for row in outcome.rows if row.index != 100] == [approx(152.0)] * 199
    times = [tick.time_ns for tick in outcome.ticks]
    assert times == sorted(set(times))


def test_answers_do_not_overtake_each_other(engine: Engine, tmp_path: Path) -> None:
    recorded = tmp_path / 'frames.csv'
    frames = made_frames(4)
    quick = replayed(engine, frames, latency='10').rows
    with frame_writer(recorded) as writer:
        for row in quick:
            writer.write(replace(row, latency_ms=300.0 if row.index == 0 else 10.0))
    rows = replayed(engine, frames, latency=str(recorded)).rows
    assert [row.age_ms for row in rows] == [approx(302.0 - 66.0 * i) for i in range(4)]


@pytest.mark.parametrize(
    'stamp_ns', [0, FIRST_NS + 80 * MS, FIRST_NS - 10_000 * MS], ids=['none', 'future', 'old']
)
def test_without_a_common_clock_there_is_no_age(engine: Engine, stamp_ns: int) -> None:
    (row,) = replayed(engine, [made_frame(0, stamp_ns=stamp_ns)]).rows
    assert row.status == ANSWERED
    assert row.age_ms is None
    assert row.notes == 'ageless'


def test_a_stamp_a_little_ahead_counts_as_now(engine: Engine) -> None:
    frame = replace(made_frame(0), stamp_ns=made_frame(0).received_ns + 50 * MS)
    (row,) = replayed(engine, [frame], latency='1').rows
    assert (row.age_ms, row.notes) == (0.0, '')


@pytest.mark.parametrize('mappings', ['[depth]', '[depth, latency]'])
def test_stamps_in_whole_seconds_are_no_frozen_camera_and_tell_no_age(
    engine: Engine, mappings: str
) -> None:
    frames = [replace(x, stamp_ns=x.stamp_ns // 10**9 * 10**9) for x in made_frames(60)]
    outcome = replayed(engine, frames, f'rate.mappings:={mappings}')
    last = outcome.rows[-1]
    assert (last.notes, last.age_ms) == ('ageless', None)
    by_depth = mappings == '[depth]'
    assert last.adaptive_rate == approx(1.0 if by_depth else 0.2)
    assert bool(outcome.problems) != by_depth


def test_easy_frames_raise_rate_and_limit_hard_ones_lower_them(engine: Engine) -> None:
    greys = [WHITE] * 40 + [BLACK] * 20
    rows = replayed(engine, [made_frame(i, grey) for i, grey in enumerate(greys)]).rows
    assert (rows[0].adaptive_rate, rows[0].speed_limit_percent) == (0.2, approx(20.0))
    assert (rows[39].adaptive_rate, rows[39].speed_limit_percent) == (1.0, approx(100.0))
    assert rows[-1].adaptive_rate == pytest.approx(0.2, abs=0.01)
    limits = [row.speed_limit_percent for row in rows[40:]]
    assert limits == sorted(limits, reverse=True)


def test_the_depth_mappings_target_is_reached(engine: Engine) -> None:
    # Layer 2 of 4 is depth 0.5; from easy_depth 0.25 to 1, a third of the way from 1 to the floor.
    rows = replayed(engine, made_frames(60, MIDDLE), 'rate.easy_depth:=0.25').rows
    assert rows[-1].adaptive_rate == approx(1 - 0.8 / 3)


def test_an_unreadable_frame_sends_the_robot_to_the_floor_and_the_next_are_answered(
    engine: Engine,
) -> None:
    frames = made_frames(40)
    frames[30] = unreadable(30, 'half of it is missing')
    rows = replayed(engine, frames).rows
    assert [row.index for row in rows if row.status == BAD] == [30]
    bad = rows[30]
    assert (bad.notes, bad.label, bad.confidence) == ('half of it is missing', '', None)
    assert (bad.adaptive_rate, bad.speed_limit_percent) == (0.2, approx(20.0))
    assert rows[29].speed_limit_percent == approx(100.0)
    assert rows[31].status == ANSWERED
    assert rows[31].adaptive_rate == 0.2


def test_a_frame_that_the_model_fails_on_is_a_bad_one_too(tmp_path: Path) -> None:
    engine = Engine(write_tiny_model(tmp_path / 'nan.onnx', nan_when_black=True))
    black = picture(WHITE, 0) * 0
    frames = made_frames(3)
    frames[1] = made_frame(1, decode=lambda _: black)
    rows = replayed(engine, frames).rows
    assert [row.status for row in rows] == [ANSWERED, BAD, ANSWERED]
    assert 'nan' in rows[1].notes


def test_a_blind_frame_is_answered_noted_and_not_believed(engine: Engine) -> None:
    frames = made_frames(40)
    wall = picture(WHITE, 0)
    wall[:] = WHITE
    frames[30] = made_frame(30, decode=lambda _: wall)
    rows = replayed(engine, frames).rows
    assert (rows[30].status, rows[30].exit_layer, rows[30].notes) == (ANSWERED, 1, 'blind')
    assert (rows[29].adaptive_rate, rows[30].adaptive_rate) == (1.0, 0.2)


def test_a_camera_that_repeats_itself_is_noted_and_not_believed(engine: Engine) -> None:
    frames = made_frames(40)
    for index in range(31, 40):
        frames[index] = replace(frames[index], data=frames[30].data)
    rows = replayed(engine, frames, 'frozen_after_frames:=4').rows
    assert [row.index for row in rows if 'frozen' in row.notes.split()] == list(range(34, 40))
    assert [row.adaptive_rate for row in rows[30:]] == [1.0] * 4 + [0.2] * 6


def test_dropped_frames_tell_of_a_frozen_camera_too(engine: Engine) -> None:
    frames = made_frames(40)
    for index in range(31, 40):
        frames[index] = replace(frames[index], data=frames[30].data)
    rows = replayed(engine, frames, 'frozen_after_frames:=4', latency='150', real_time=True).rows
    answered = [row for row in rows if row.status == ANSWERED and row.index > 30]
    assert 3 < len(answered) < 7
    assert [row.notes for row in answered] == [
        'frozen' if row.index >= 34 else '' for row in answered
    ]


def test_an_answer_below_the_least_confidence_is_noted_as_unsure(engine: Engine) -> None:
    rows = replayed(
        engine, [made_frame(0, BLACK), made_frame(1, WHITE)], 'rate.min_confidence:=0.5'
    ).rows
    assert [row.notes for row in rows] == ['unsure', '']


def test_answers_unlike_the_calibrations_are_noted_as_shifted(engine: Engine) -> None:
    rows = replayed(engine, made_frames(60, MIDDLE), 'shift.window:=20', 'shift.every_s:=0.0').rows
    assert [row.notes for row in rows[:19]] == [''] * 19
    assert rows[-1].notes == 'shifted'


def test_the_full_depth_answer_is_a_column_of_its_own_and_changes_nothing_else(
    engine: Engine,
) -> None:
    frames = [made_frame(i, grey) for i, grey in enumerate([WHITE, MIDDLE, BLACK] * 5)]
    plain, judged = replayed(engine, frames), replayed(engine, frames, reference=True)
    assert {row.reference for row in plain.rows} == {''}
    assert {row.reference for row in judged.rows} == {'class 0'}
    assert [replace(row, reference='') for row in judged.rows] == plain.rows
    assert judged.ticks == plain.ticks
    assert engine.thresholds == pytest.approx((0.8, 0.8))


def test_the_reference_is_what_the_model_says_at_full_depth(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    full = Engine(model, thresholds=1.0)
    frames = [made_frame(i, grey) for i, grey in enumerate([WHITE, MIDDLE, BLACK])]
    anytime = {'exit_policy': 'anytime', 'budget_ms': 1e4}  # which ends by time, too
    for early in (Engine(model, thresholds=0.0), Engine(model, thresholds=0.0, **anytime)):
        with mock.patch.object(early, 'run', wraps=early.run) as asked:
            rows = replayed(early, frames, reference=True).rows
        assert sum('full_depth' in call.kwargs for call in asked.mock_calls) == 3
        assert [row.exit_layer for row in rows] == [1, 1, 1]
        assert [row.reference for row in rows] == [full.run(f.decode()).class_name for f in frames]


def test_real_time_drops_what_a_busy_node_would_have_missed(engine: Engine) -> None:
    # 150 ms a frame at 66 ms: the node takes a frame, misses one or two, takes the newest.
    rows = replayed(engine, made_frames(30), latency='150', real_time=True).rows
    answered = [row for row in rows if row.status == ANSWERED]
    assert [row.index for row in rows] == list(range(30))
    assert {row.status for row in rows} == {ANSWERED, DROPPED}
    assert len(answered) == pytest.approx(30 * 66 / 150, abs=2)
    free = 0
    for row in answered:
        start = max(free, row.received_ns)
        free = start + 150 * MS
        assert row.age_ms == approx((free - row.stamp_ns) / MS)
        newer_came = row.received_ns + STEP_NS
        assert start <= newer_came or row.index == 29
    for row in rows:
        if row.status == DROPPED:
            assert (row.label, row.latency_ms, row.age_ms) == ('', None, None)
            assert row.speed_limit_percent is not None


def test_real_time_on_a_quick_computer_is_the_same_as_unhurried(engine: Engine) -> None:
    frames = made_frames(30)
    assert replayed(engine, frames, real_time=True) == replayed(engine, frames)


def test_a_fixed_latency_makes_a_replay_repeat_itself_byte_by_byte(engine: Engine) -> None:
    greys = [WHITE, MIDDLE, BLACK, WHITE, WHITE]
    frames = [made_frame(i, grey) for i, grey in enumerate(greys * 8)]
    once, again = (replayed(engine, frames, latency='70', real_time=True) for _ in range(2))
    assert once.text == again.text
    assert once.ticks == again.ticks


def test_measured_latencies_once_recorded_repeat_a_run_exactly(
    engine: Engine, tmp_path: Path
) -> None:
    frames = [made_frame(i, grey) for i, grey in enumerate([WHITE, MIDDLE, BLACK] * 8)]
    measured = replayed(engine, frames, latency='measured')
    assert len({row.latency_ms for row in measured.rows}) > 1
    recorded = tmp_path / 'frames.csv'
    recorded.write_text(measured.text)
    again = replayed(engine, frames, latency=str(recorded))
    assert again.text == measured.text
    assert again.ticks == measured.ticks


def test_ticks_are_strictly_later_and_rates_of_the_moment(engine: Engine) -> None:
    greys = [WHITE] * 30 + [BLACK] * 30
    outcome = replayed(engine, [made_frame(i, grey) for i, grey in enumerate(greys)])
    times = [tick.time_ns for tick in outcome.ticks]
    assert times == list(range(times[0], times[-1] + 1, 100 * MS))
    assert times[0] == FIRST_NS + 20 * MS  # the first answer
    for tick in outcome.ticks:
        ready = [row for row in outcome.rows if row.received_ns + 20 * MS <= tick.time_ns]
        if ready and ready[-1].adaptive_rate in (0.2, 1.0) and ready[-1].exit_layer == 1:
            assert tick.rate >= ready[-1].adaptive_rate
    assert max(tick.rate for tick in outcome.ticks) == 1.0
    assert outcome.ticks[-1].rate < 0.3


@pytest.mark.parametrize('text', ['-1', 'nan', 'inf', '-0.001'])
def test_a_latency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ReplayError, match=f'--latency must be 0 ms or more. Got {text}'):
        open_latency(text)


def test_a_latency_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="'measured', a number .* frames.csv .*nowhere.csv'"):
        open_latency(str(tmp_path / 'nowhere.csv'))


@pytest.mark.parametrize(
    'content', ['', 'stamp,label\n1,cat\n', 'bag,index\na,b\n', '\x00\x01\xff']
)
def test_a_latency_file_that_is_no_frame_table_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'other.csv'
    path.write_text(content, 'latin-1')
    with pytest.raises(ReplayError, match='other.csv'):
        open_latency(str(path))


def test_a_frame_without_a_recorded_latency_is_named(engine: Engine, tmp_path: Path) -> None:
    recorded = tmp_path / 'frames.csv'
    recorded.write_text(replayed(engine, made_frames(3)).text)
    with pytest.raises(ReplayError, match='frame 3 of made'):
        replayed(engine, made_frames(4), latency=str(recorded))
    recorded.write_text(replayed(engine, made_frames(9), latency='150', real_time=True).text)
    with pytest.raises(ReplayError, match='frame 1 of made: .* without --real-time'):
        replayed(engine, made_frames(9), latency=str(recorded))


def test_numbers_keep_all_their_digits_in_the_table(engine: Engine, tmp_path: Path) -> None:
    outcome = replayed(engine, made_frames(12, 200), latency='measured')
    path = tmp_path / 'frames.csv'
    path.write_text(outcome.text)
    table = read_frames(path)
    for column in ('stamp_ns', 'confidence', 'adaptive_rate', 'latency_ms', 'age_ms'):
        assert table[column].tolist() == [getattr(row, column) for row in outcome.rows]
    assert not any(math.isnan(value) for value in table['macs'])
