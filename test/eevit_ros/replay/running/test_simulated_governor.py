"""The simulated governor: what both nodes' timers say while frames come, and while none do."""

from __future__ import annotations

from pathlib import Path

import pytest

from eevit_ros.model.engine import Engine
from eevit_ros.perception.perception import Observation, Perception
from eevit_ros.replay.parameters import classifier_settings
from eevit_ros.replay.running.simulated_governor import SimulatedGovernor, seconds
from eevit_ros.speed.limit import LimitSettings, SpeedLimit
from test.eevit_ros.replay.made_replays import FIRST_NS, MS, STEP_NS, Tick, approx, picture

TICK_NS = 100 * MS
GOVERNOR = LimitSettings(floor=0.1)  # below the classifier's floor: its own faults show


@pytest.fixture(scope='module')
def engine(tiny_path: Path) -> Engine:
    return Engine(tiny_path)


def rate_after(perception: Perception, observation: Observation, now_ns: int) -> float:
    """Let a frame be answered that is 20 ms old; return the rate."""
    record = perception.record(
        observation,
        stamp_ns=now_ns - 20 * MS,
        now_ns=now_ns,
        now_s=seconds(now_ns),
        doubtful=False,
        drops=0,
    )
    return record.adaptive_rate


class Drive:
    """A governor and answers for it; `sure` is an easy frame's."""

    def __init__(self, engine: Engine, governor: LimitSettings = GOVERNOR) -> None:
        self.ticks: list[Tick] = []
        settings, _ = classifier_settings(None, [])
        self.perception = Perception(engine, settings.perception)
        self.governor = SimulatedGovernor(
            self.perception.rate_at, governor, lambda *tick: self.ticks.append(Tick(*tick))
        )
        self.sure: Observation = self.perception.observe(picture(255, 0))

    def answer(self, time_ns: int) -> float:
        """Let an easy frame be answered; return the limit."""
        self.governor.until(time_ns)
        return self.governor.update(rate_after(self.perception, self.sure, time_ns), time_ns)

    def answers(self, count: int, first_ns: int) -> list[float]:
        return [self.answer(first_ns + index * STEP_NS) for index in range(count)]


def test_easy_frames_raise_the_limit_from_the_floor_to_all(engine: Engine) -> None:
    drive = Drive(engine)
    limits = drive.answers(60, FIRST_NS)
    assert limits[0] == approx(10.0)
    assert limits == sorted(limits)
    assert limits[-1] == approx(100.0)


def test_both_timers_speak_every_tenth_of_a_second_from_the_first_frame_on(engine: Engine) -> None:
    drive = Drive(engine)
    drive.answers(60, FIRST_NS)
    last_ns = FIRST_NS + 59 * STEP_NS
    assert [tick.time_ns for tick in drive.ticks] == list(range(FIRST_NS, last_ns, TICK_NS))


def test_in_a_gap_the_limit_falls_to_the_floor_once_the_last_answer_is_stale(
    engine: Engine,
) -> None:
    drive = Drive(engine)
    drive.answers(60, FIRST_NS)
    silent_since = FIRST_NS + 59 * STEP_NS
    drive.ticks.clear()
    drive.governor.until(silent_since + 1_000 * MS)
    before = [tick for tick in drive.ticks if tick.time_ns < silent_since + 300 * MS]
    after = [tick for tick in drive.ticks if tick.time_ns >= silent_since + 300 * MS]
    assert len(before) == 3 and len(after) == 7
    assert {(tick.rate, tick.percent) for tick in before} == {(1.0, 100.0)}
    assert {tick.rate for tick in after} == {0.2}
    assert [tick.percent for tick in after] == [approx(20.0)] * 7


@pytest.mark.parametrize('pause_s', [11, 60, 600])
@pytest.mark.parametrize('slope', [0.5, 0.05])
def test_a_pause_is_followed_by_what_a_governor_would_say_that_heard_the_timer_all_along(
    engine: Engine, pause_s: int, slope: float
) -> None:
    governor = LimitSettings(floor=0.1, recover_per_s=slope)
    drive = Drive(engine, governor)
    drive.answers(60, FIRST_NS)
    goes_on = FIRST_NS + 60 * STEP_NS + pause_s * 1_000_000_000
    drive.answers(60, goes_on)
    assert len(drive.ticks) < 600

    said = {tick.time_ns: tick.percent for tick in drive.ticks}
    assert list(said) == sorted(said)
    heard = _every_tick(engine, governor, goes_on)
    assert set(said) <= set(heard)
    assert [heard[time] for time in said] == pytest.approx(list(said.values()), abs=1e-3)
    after = [time for time in heard if time > goes_on]
    assert set(after) <= set(said)
    assert max(heard[time] for time in after) > 90


def test_a_pause_of_years_is_little_work_and_ends_at_the_floor(engine: Engine) -> None:
    drive = Drive(engine)
    drive.answers(60, FIRST_NS)
    before = len(drive.ticks)
    year_ns = 365 * 24 * 3600 * 1_000_000_000
    limits = drive.answers(60, FIRST_NS + 10 * year_ns)
    times = [tick.time_ns for tick in drive.ticks]
    assert len(times) - before < 300
    assert all(later > earlier for earlier, later in zip(times, times[1:], strict=False))
    assert all((time - FIRST_NS) % TICK_NS == 0 for time in times)
    assert limits[0] == approx(20.0)
    assert limits[-1] > 90
    last_of_pause = max(time for time in times if time < FIRST_NS + 10 * year_ns)
    assert FIRST_NS + 10 * year_ns - last_of_pause <= TICK_NS


def _every_tick(engine: Engine, governor: LimitSettings, goes_on: int) -> dict[int, float]:
    """Drive as in the test, but let no tick of the pause out."""
    perception = Perception(engine, classifier_settings(None, [])[0].perception)
    sure = perception.observe(picture(255, 0))
    limit, said = SpeedLimit(governor), {}
    limit.floor_received = True
    answers = [first + index * STEP_NS for first in (FIRST_NS, goes_on) for index in range(60)]
    now = FIRST_NS
    for answered in answers:
        while now < answered:
            limit.update_rate(perception.rate_at(seconds(now)), seconds(now))
            said[now] = limit.at(seconds(now)).percent
            now += TICK_NS
        limit.update_rate(rate_after(perception, sure, answered), seconds(answered))
    return said
