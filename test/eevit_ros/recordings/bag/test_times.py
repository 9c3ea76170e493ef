"""Log times and stamps that cannot be, that jump, and that stand still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eevit_ros.recordings.bag.times import LogTimes
from eevit_ros.recordings.open import open_source
from eevit_ros.recordings.stamps import stamp_text
from harness.bags import (
    CAMERA,
    IMAGE,
    ROS1,
    STEP_NS,
    image,
    stamp_of,
    write_bag,
    write_mcap,
    write_ros1,
    write_split,
)

COUNT = 8
DELAY_NS = 5_000_000
HOUR_NS = 3600 * 10**9
DECADE_NS = 10 * 365 * 24 * HOUR_NS
WRITERS: dict[str, Callable[[Path, Sequence], Path]] = {
    'mcap': write_bag,
    'sqlite3': lambda path, entries: write_bag(path, entries, 'sqlite3'),
    'chunks of one': lambda path, entries: write_mcap(path, entries, chunk_size=1),
    'no chunks': lambda path, entries: write_mcap(path, entries, use_chunking=False),
}
KINDS = pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'chunks of one', 'no chunks'])


@dataclass
class Read:
    """What a bag holds: which images, when they came, and what the recorder's clock read."""

    numbers: list[int]
    received: list[int]
    clock: list[int]
    problems: list[str]


def log_of(number: int) -> int:
    return stamp_of(number) + DELAY_NS


def write(tmp_path: Path, kind: str, logs: Sequence[int], stamps: Sequence[int] = ()) -> Path:
    """Write images of these log times; file times of sqlite3 are signed, of mcap unsigned."""
    suffix = '.mcap' if 'chunks' in kind else ''
    stamps = stamps or [stamp_of(i) for i in range(len(logs))]
    entries = [
        (CAMERA, IMAGE, log, image(stamp, i))
        for i, (log, stamp) in enumerate(zip(logs, stamps, strict=True))
    ]
    return WRITERS[kind](tmp_path / f'x{suffix}', entries)


def read(path: Path) -> Read:
    source = open_source(path, CAMERA)
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    received = [frame.received_ns for frame in frames]
    assert received == sorted(received)
    return Read(
        numbers=[int(frame.decode()[5, 5, 1]) for frame in frames],
        received=received,
        clock=[frame.received_ns + frame.clock_set_ns for frame in frames],
        problems=source.problems,
    )


WRONG = (0, 1, 2**62, 2**63 - 1, stamp_of(0) + 3 * DECADE_NS)


@pytest.mark.parametrize('at', [0, 3, COUNT - 1])
@pytest.mark.parametrize(
    ('kind', 'wrong'),
    [(kind, wrong) for kind in ('mcap', 'no chunks') for wrong in (*WRONG, 2**63, 2**64 - 1)]
    + [('sqlite3', wrong) for wrong in (*WRONG, -1, -(2**63))],
)
def test_one_wrong_log_time_is_told_and_changes_no_other(tmp_path, kind, at, wrong):
    logs = [log_of(i) for i in range(COUNT)]
    logs[at] = wrong
    found = read(write(tmp_path, kind, logs))
    assert found.numbers == list(range(COUNT))
    assert found.received == found.clock
    expected = [log_of(1) if i == at == 0 else log_of(i) for i in range(COUNT)]
    assert abs(found.received.pop(at) - expected.pop(at)) <= 1  # between its neighbours
    assert found.received == expected
    (problem,) = found.problems
    assert f'image {at}' in problem and stamp_text(wrong) in problem


@KINDS
@pytest.mark.parametrize('with_stamps', [True, False])
@pytest.mark.parametrize('by', [-5 * 10**9, -HOUR_NS, HOUR_NS, -DECADE_NS, DECADE_NS], ids=str)
def test_a_clock_that_was_set_is_told_and_followed(tmp_path, kind, by, with_stamps):
    logs = [log_of(i) + (by if i >= 4 else 0) for i in range(COUNT)]
    stamps = [stamp_of(i) + (by if i >= 4 and with_stamps else 0) for i in range(COUNT)]
    found = read(write(tmp_path, kind, logs, stamps))
    assert found.numbers == list(range(COUNT))
    assert found.clock == logs
    # An hour ahead may be a pause.
    gaps = [later - earlier for earlier, later in pairwise(found.received)]
    jump = HOUR_NS + STEP_NS if by == HOUR_NS else STEP_NS
    assert gaps == [jump if i == 3 else logs[i + 1] - logs[i] for i in range(COUNT - 1)]
    assert 'image 4' in found.problems[0]
    assert stamp_text(logs[4]) in found.problems[0]


def test_a_clock_that_was_set_back_by_seconds_mixes_no_two_stretches(tmp_path):
    """Each chunk spans seconds, and the later ones lie within the earlier."""
    logs = [stamp_of(0) + i * 10**9 for i in (*range(6), *range(2, 8))]
    entries = [(CAMERA, IMAGE, log, image(log, i)) for i, log in enumerate(logs)]
    for chunk_size in (1, 40_000, 2**20):
        found = read(write_mcap(tmp_path / f'{chunk_size}.mcap', entries, chunk_size=chunk_size))
        assert found.numbers == list(range(12)) and found.clock == logs
        assert 'image 6' in found.problems[0]


def test_one_late_message_does_not_count_as_a_clock_that_was_set(tmp_path):
    logs = [log_of(i) for i in range(COUNT)]
    for wrong in (logs[3] - 5 * 10**9, logs[3] + 100 * 10**9):
        path = tmp_path / f'{wrong}.mcap'
        entries = [
            (CAMERA, IMAGE, x, image(x, i)) for i, x in enumerate([*logs[:3], wrong, *logs[4:]])
        ]
        found = read(write_mcap(path, entries))
        assert found.numbers == list(range(COUNT)) and found.received == found.clock
        assert 'image 3' in found.problems[0] and found.received[4:] == logs[4:]


@pytest.mark.parametrize('by_ns', [5 * 10**9, HOUR_NS])
def test_a_ros_1_bag_whose_clock_was_set_back_is_read_as_written(tmp_path, by_ns):
    logs = [log_of(i) - (by_ns if i >= 4 else 0) for i in range(COUNT)]
    entries = [(CAMERA, IMAGE, log, image(log, i, types=ROS1)) for i, log in enumerate(logs)]
    found = read(write_ros1(tmp_path / 'x.bag', entries))
    assert found.numbers == list(range(COUNT)) and found.clock == logs
    assert 'image 4' in found.problems[0]


def test_files_whose_clock_was_set_back_between_them(tmp_path):
    back = [
        (CAMERA, IMAGE, log_of(i) - HOUR_NS, image(stamp_of(i) - HOUR_NS, i)) for i in range(3, 6)
    ]
    ahead = [(CAMERA, IMAGE, log_of(i), image(stamp_of(i), i)) for i in range(3)]
    found = read(write_split(tmp_path / 'run', [ahead, back]))
    assert found.numbers == list(range(6))
    assert found.received[-1] - found.received[0] == 5 * STEP_NS
    assert found.clock[-1] == log_of(5) - HOUR_NS


@pytest.mark.parametrize('start', [2 * HOUR_NS, stamp_of(0)], ids=['simulated', 'wall'])
def test_images_before_the_first_clock_do_not_make_a_long_recording(tmp_path, start):
    logs = [0, 0, 0] + [start + i * STEP_NS for i in range(COUNT - 3)]
    stamps = [0, 0, 0] + [start + i * STEP_NS for i in range(COUNT - 3)]
    found = read(write(tmp_path, 'mcap', logs, stamps))
    assert found.numbers == list(range(COUNT))
    assert found.received[-1] - found.received[0] < COUNT * STEP_NS
    assert found.clock[3:] == logs[3:]
    assert found.problems


def test_a_recording_of_a_simulation_starts_at_0(tmp_path):
    logs = [i * STEP_NS for i in range(COUNT)]
    found = read(write(tmp_path, 'mcap', logs, logs))
    assert (found.received, found.clock, found.problems) == (logs, logs, [])


@pytest.mark.parametrize('hours', [1, 25])
def test_the_pauses_of_a_slow_time_lapse_are_kept(tmp_path, hours):
    logs = [stamp_of(0) + i * hours * HOUR_NS for i in range(COUNT)]
    found = read(write(tmp_path, 'mcap', logs, logs))
    assert (found.received, found.clock) == (logs, logs)
    assert len(found.problems) == 1


@KINDS
def test_a_time_lapse_is_no_error(tmp_path, kind):
    logs = [stamp_of(0) + i * 120 * 10**9 for i in range(COUNT)]
    found = read(write(tmp_path, kind, logs, logs))
    assert (found.received, found.clock, found.problems) == (logs, logs, [])


@pytest.mark.parametrize('log_ns', [0, stamp_of(0), 2**64 - 1])
def test_log_times_that_are_all_the_same_are_told(tmp_path, log_ns):
    found = read(write(tmp_path, 'mcap', [log_ns] * COUNT))
    assert found.numbers == list(range(COUNT))
    (problem,) = found.problems
    assert stamp_text(log_ns) in problem


@pytest.mark.parametrize('second', [-(2**31), -1, 0, 2**31 - 1])
@pytest.mark.parametrize('nanosecond', [0, 2**32 - 1])
def test_a_stamp_that_cannot_be_harms_only_its_own_image(tmp_path, second, nanosecond):
    message = image(stamp_of(3), 3)
    message.header.stamp = type(message.header.stamp)(second, nanosecond)
    entries = [(CAMERA, IMAGE, log_of(i), image(stamp_of(i), i)) for i in range(COUNT)]
    entries[3] = (CAMERA, IMAGE, log_of(3), message)
    source = open_source(write_bag(tmp_path / 'x', entries), None)
    stamps = [frame.stamp_ns for frame in source]
    beyond = second == 2**31 - 1 and nanosecond > 10**9
    wrong = log_of(3) if beyond else second * 10**9 + nanosecond
    assert stamps == [wrong if i == 3 else stamp_of(i) for i in range(COUNT)]
    assert source.problems


times = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([0, stamp_of(0), 2**63, 2**64 - 1])


@given(st.lists(st.tuples(times, times | st.none()), min_size=1, max_size=20))
@example([(1, None), (2**30 * 10**9 + 1, None), (2**31 * 10**9 - 864_000 * 10**9, None)])
@example([(1, 0), (86_400 * 10**9 + 2, None), (1_073_785_024 * 10**9 + 1, None), (0, 0)])
def test_whatever_the_log_times_are_the_received_ones_are_sound(entries):
    clock = LogTimes()
    last = 0
    for i, (log_ns, stamp_ns) in enumerate(entries):
        following = entries[i + 1][0] if i + 1 < len(entries) else None
        clock.update(log_ns, following, stamp_ns)
        assert last <= clock.received_ns < 2**31 * 10**9
        last = clock.received_ns
    assert isinstance(clock.problems('in a test'), list)
