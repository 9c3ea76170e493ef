"""Which frames a live node answers: against a simulation, step by step, of its real queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.newest_frames import NewestFrames
from eevit_ros.recordings.source import SourceFrame
from eevit_ros.replay.running.clock import live, unhurried
from test.eevit_ros.replay.made_replays import made_frame

Starts = list[tuple[int, int | None]]

# Frames that arrive together, and answers as quick as nothing, are among them.
SCHEDULES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), max_size=25)


def frames_at(times: Sequence[int]) -> list[SourceFrame]:
    return [made_frame(index, received_ns=time) for index, time in enumerate(times)]


def arrivals(schedule: list[tuple[int, int]]) -> list[int]:
    times, now = [], 100
    for gap, _ in schedule:
        now += gap
        times.append(now)
    return times


def worked_through(times: Sequence[int], takes: Sequence[int]) -> Starts:
    """Answer as a replay does: a frame is answered before the clock is asked for the next."""
    free, starts = [0], []
    for frame, start in live(frames_at(times), lambda: free[-1]):
        starts.append((frame.index, start))
        if start is not None:
            free.append(start + takes[frame.index])
    return starts


def simulated(times: Sequence[int], takes: Sequence[int]) -> Starts:
    """Let a worker and the node's queue go through time, nanosecond by nanosecond."""
    newest = NewestFrames[int]({'': 1.0})
    started: dict[int, int] = {}
    waiting, busy_until = False, 0

    def work(now: int) -> None:
        nonlocal waiting, busy_until
        if waiting and busy_until <= now:
            taken = newest.get()
            assert taken is not None
            frame = taken[1]
            waiting, busy_until = False, now + takes[frame]
            started[frame] = now

    for now in range(times[-1] + 1 if times else 0):
        work(now)
        for index, time in enumerate(times):
            if time == now:
                newest.put('', index)
                waiting = True
                work(now)
    while waiting:
        work(busy_until)
    assert len(started) + newest.drops[''] == len(times)
    return [(index, started.get(index)) for index in range(len(times))]


@given(SCHEDULES)
def test_live_answers_what_the_nodes_queue_lets_through(schedule: list[tuple[int, int]]) -> None:
    times, takes = arrivals(schedule), [take for _, take in schedule]
    assert worked_through(times, takes) == simulated(times, takes)


@given(SCHEDULES)
def test_every_frame_comes_once_in_order_and_none_starts_too_early(
    schedule: list[tuple[int, int]],
) -> None:
    times, takes = arrivals(schedule), [take for _, take in schedule]
    starts = worked_through(times, takes)
    assert [index for index, _ in starts] == list(range(len(times)))
    free = 0
    for index, start in starts:
        if start is not None:
            assert start >= max(times[index], free)
            free = start + takes[index]
    assert not starts or starts[-1][1] is not None  # nothing newer replaces the last one


@given(st.integers(1, 50), st.integers(0, 30), st.data())
def test_whoever_is_quicker_than_the_camera_drops_nothing(
    interval: int, count: int, data: st.DataObject
) -> None:
    takes = [data.draw(st.integers(0, interval)) for _ in range(count)]
    times = [interval * index for index in range(count)]
    assert worked_through(times, takes) == list(enumerate(times))


@given(SCHEDULES)
def test_unhurried_answers_every_frame_as_it_arrives(schedule: list[tuple[int, int]]) -> None:
    times = arrivals(schedule)
    starts = [(frame.index, start) for frame, start in unhurried(frames_at(times))]
    assert starts == list(enumerate(times))


def test_the_clock_reads_no_further_ahead_than_one_frame() -> None:
    read: list[int] = []

    def camera() -> Iterator[SourceFrame]:
        for frame in frames_at([0, 10, 20, 30]):
            read.append(frame.index)
            yield frame

    answered = live(camera(), lambda: 0)
    assert next(answered)[0].index == 0
    assert read == [0, 1]


def several(schedule: list[tuple[int, int, int]]) -> tuple[list[SourceFrame], list[int]]:
    """Return frames of three cameras, and how long each keeps the network busy."""
    times = arrivals([(gap, take) for gap, take, _ in schedule])
    frames = [
        replace(frame, camera=CAMERAS[camera])
        for frame, (_, _, camera) in zip(frames_at(times), schedule, strict=True)
    ]
    return frames, [take for _, take, _ in schedule]


CAMERAS = ('front', 'left', 'rear')


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 40), st.integers(0, 2)), max_size=25),
    st.sampled_from([(1.0, 1.0, 1.0), (2.0, 1.0, 0.5)]),
)
def test_of_several_cameras_a_replay_takes_the_frames_that_the_node_takes(
    schedule: list[tuple[int, int, int]], weights: tuple[float, float, float]
) -> None:
    frames, takes = several(schedule)
    free, starts = [0], {}
    by_camera = dict(zip(CAMERAS, weights, strict=True))
    for frame, start in live(frames, lambda: free[-1], by_camera):
        starts[frame.index] = start
        if start is not None:
            free.append(start + takes[frame.index])

    newest = NewestFrames[int](by_camera)
    expected: dict[int, int | None] = dict.fromkeys(range(len(frames)))
    busy_until, waiting = 0, set[str]()

    def work(now: int) -> None:
        nonlocal busy_until
        while waiting and busy_until <= now:
            taken = newest.get()
            assert taken is not None
            waiting.remove(taken[0])
            began = max(busy_until, frames[taken[1]].received_ns)
            expected[taken[1]], busy_until = began, began + takes[taken[1]]

    for frame in frames:
        work(frame.received_ns)
        newest.put(frame.camera, frame.index)
        waiting.add(frame.camera)
        work(frame.received_ns)
    while waiting:
        work(busy_until)
    assert starts == expected
