"""The speed limit over time: bounds, faults, recovery, zones, monotonicity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.speed.limit import (
    DEEP,
    FRESH,
    LOWEST_PERCENT,
    RECOVERING,
    RISING,
    SHUTDOWN,
    SOURCE,
    STALE,
    STARTUP,
    WRONG,
    LimitSettings,
    SpeedLimit,
)

ZONES = ('/left', '/right')
ROUNDING = 1e-9
FLOOR = 20.0
BAD = (math.nan, math.inf, -math.inf, 0.0, -0.0, -0.5, 1.0000001, 7.0)


@dataclass(frozen=True)
class Event:
    """Something that happens `wait_s` after the event before."""

    wait_s: float
    kind: str  # 'rate', 'zone', 'wrong' (something else is wrong), 'right', 'received' or 'read'
    value: float = 1.0
    topic: str = ZONES[0]
    is_percent: bool = True
    fault: bool = False  # of a rate: the message is wrong in some other way

    def happen(self, limit: SpeedLimit, now_s: float) -> None:
        if self.kind == 'rate':
            limit.update_rate(self.value, now_s, 'out of order' if self.fault else '')
        elif self.kind == 'zone':
            limit.update_zone(self.topic, self.value, is_percent=self.is_percent)
        elif self.kind == 'received':
            limit.floor_received = True
        elif self.kind in ('wrong', 'right'):
            limit.set_problem('graph', 'two publishers' if self.kind == 'wrong' else '')

    @property
    def is_good(self) -> bool:
        return 0 < self.value <= 1 and not self.fault


waits = st.one_of(st.sampled_from([0.0, 0.05, 0.1, 0.3]), st.floats(0, 1))
# Mostly good messages, or no run would ever leave the floor.
good_rates = st.builds(Event, waits, st.just('rate'), st.floats(0, 1, exclude_min=True))
bad_rates = st.builds(Event, waits, st.just('rate'), st.sampled_from(BAD))
numbered_wrongly = st.builds(Event, waits, st.just('rate'), fault=st.just(True))
zones = st.builds(
    Event,
    waits,
    st.just('zone'),
    st.one_of(st.just(0.0), st.floats(0, 150), st.floats()),
    st.sampled_from(ZONES),
    st.booleans(),
)
others = st.builds(Event, waits, st.sampled_from(['wrong', 'right', 'received', 'read']))
first = st.sampled_from([[Event(0.0, 'received')], [Event(0.0, 'received')], []])
later = st.lists(
    st.one_of(*[good_rates] * 12, bad_rates, numbered_wrongly, zones, others), max_size=80
)
events = st.builds(lambda start, rest: start + rest, first, later)
limit_settings = st.builds(
    LimitSettings,
    floor=st.floats(0.01, 1),
    stale_after_s=st.floats(0.05, 2),
    fresh_messages=st.integers(1, 6),
    recover_per_s=st.floats(0.001, 100),
    max_speed_mps=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
    initial_zone_limit=st.one_of(st.just(100.0), st.floats(LOWEST_PERCENT, 100)),
)


def recovered(settings: LimitSettings) -> tuple[SpeedLimit, float]:
    """Return a limit long after all faults, and its time."""
    limit, now_s = SpeedLimit(settings, ZONES), 0.0
    limit.floor_received = True
    while now_s < settings.fresh_messages * settings.stale_after_s + 1 / settings.recover_per_s:
        now_s += settings.stale_after_s / 2
        limit.update_rate(1.0, now_s)
    return limit, now_s


@given(limit_settings, events, st.floats())
def test_it_is_always_a_limit_and_never_means_no_limit(
    settings: LimitSettings, history: list[Event], odd_time: float
) -> None:
    limit, now_s = SpeedLimit(settings, ZONES), 0.0
    for event in history:
        now_s += event.wait_s
        event.happen(limit, now_s)
        assert 0 < limit.at(now_s).percent <= 100
        assert 0 < limit.at(now_s + 0.1).percent <= 100
    assert 0 < limit.at(odd_time).percent <= 100


@given(limit_settings, events)
def test_nothing_is_ever_exceeded(settings: LimitSettings, history: list[Event]) -> None:
    """Not the last rate, no zone, and not the line that starts once a fault is over.

    Nor the floor, as long as no subscriber has received it.
    """
    limit, now_s = SpeedLimit(settings, ZONES), 0.0
    floor = 100 * settings.floor
    caps = dict.fromkeys(ZONES, settings.initial_zone_limit)
    broken: set[str] = set()
    received = False
    good, good_s, heard_s, rate = 0, 0.0, -math.inf, 1.0  # good messages since the last fault
    for event in history:
        now_s += event.wait_s
        event.happen(limit, now_s)
        if event.kind == 'zone':
            percent = event.value
            if not event.is_percent and percent > 0:
                speed = settings.max_speed_mps
                percent = 100 * percent / speed if speed else math.nan
            if 0 <= percent and 0 <= event.value < math.inf:
                caps[event.topic] = max(percent, LOWEST_PERCENT) if percent else 100
                broken.discard(event.topic)
            else:
                broken.add(event.topic)
        elif event.kind == 'wrong':
            broken.add('graph')
        elif event.kind == 'right':
            broken.discard('graph')
        received |= event.kind == 'received'
        if now_s - heard_s >= settings.stale_after_s:
            good = 0
        if event.kind == 'rate':
            heard_s, rate = now_s, event.value
            if not event.is_good:
                good = 0
            elif received and not broken and good < settings.fresh_messages:
                good, good_s = good + 1, now_s
        if broken:
            good = 0
        look_s = now_s + 0.05
        allowed = floor
        if good == settings.fresh_messages and look_s - heard_s < settings.stale_after_s:
            line = floor + 100 * settings.recover_per_s * (look_s - good_s)
            allowed = min(max(floor, 100 * rate), line)
        assert limit.at(look_s).percent <= min(allowed, *caps.values()) + ROUNDING


@given(limit_settings, events, st.data())
def test_lower_inputs_never_give_a_higher_limit(
    settings: LimitSettings, history: list[Event], data: st.DataObject
) -> None:
    """Nor do more faults; now or at any time later."""
    easy, hard, now_s = SpeedLimit(settings, ZONES), SpeedLimit(settings, ZONES), 0.0
    worse = st.sampled_from(['same', 'same', 'lower', 'bad'])
    for event in history:
        now_s += event.wait_s
        event.happen(easy, now_s)
        kind = data.draw(worse)
        value, fault = event.value, event.fault
        if event.kind == 'rate':
            value = value / 2 if kind == 'lower' and event.is_good else value
            fault = fault or kind == 'bad'
        elif event.kind == 'zone' and kind == 'lower':
            value = value / 2 or value  # 0 would be no limit
        harder = Event(now_s, event.kind, value, event.topic, event.is_percent, fault)
        if not (event.kind in ('right', 'received') and kind == 'bad'):
            harder.happen(hard, now_s)
        for look_s in (now_s, now_s + 0.1):
            assert hard.at(look_s).percent <= easy.at(look_s).percent + ROUNDING


@given(limit_settings, events)
def test_how_often_somebody_looks_does_not_matter(
    settings: LimitSettings, history: list[Event]
) -> None:
    watched, alone, now_s = SpeedLimit(settings, ZONES), SpeedLimit(settings, ZONES), 0.0
    for event in history:
        for part in (0.1, 0.5, 0.9):
            watched.at(now_s + part * event.wait_s)
        now_s += event.wait_s
        event.happen(watched, now_s)
        event.happen(alone, now_s)
    assert watched.at(now_s) == alone.at(now_s)


@given(limit_settings, st.floats(0, 1, exclude_min=True))
def test_a_sound_rate_is_passed_on_as_it_is(settings: LimitSettings, rate: float) -> None:
    limit, now_s = SpeedLimit(settings), 0.0
    limit.floor_received = True
    while limit.at(now_s).reason in (STARTUP, RISING):
        now_s += settings.stale_after_s / 2
        limit.update_rate(1.0, now_s)
    assert limit.at(now_s).percent == 100
    limit.update_rate(rate, now_s)
    found = limit.at(now_s)
    assert found.percent == 100 * max(settings.floor, rate)
    assert found.reason == (FRESH if rate == 1 else DEEP)
    limit.update_rate(1.0, now_s)
    assert limit.at(now_s).percent == 100


def test_a_rate_below_the_floor_is_raised_to_it_and_says_so() -> None:
    limit, now_s = recovered(LimitSettings())
    limit.update_rate(0.05, now_s)
    found = limit.at(now_s)
    assert (found.percent, found.text) == (FLOOR, 'adaptive rate 0.05, raised to the floor')
    limit.update_rate(0.2, now_s)
    assert limit.at(now_s).text == 'adaptive rate 0.2'


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('floor', 0.0),
        ('floor', 0.009),
        ('floor', 1.1),
        ('floor', math.nan),
        ('stale_after_s', 0.0),
        ('stale_after_s', math.inf),
        ('fresh_messages', 0),
        ('fresh_messages', 1.5),
        ('recover_per_s', 0.0),
        ('recover_per_s', math.nan),
        ('max_speed_mps', -0.1),
        ('initial_zone_limit', 0.0),
        ('initial_zone_limit', 101.0),
    ],
)
def test_settings_out_of_range_are_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(EevitError) as caught:
        LimitSettings(**{name: value})  # type: ignore[arg-type]
    assert f"parameter '{name}'" in str(caught.value)
    assert f'Got {value!r}' in str(caught.value)


@pytest.mark.parametrize('bad', BAD)
def test_what_is_no_rate_is_a_fault_with_the_value_in_its_text(bad: float) -> None:
    limit, now_s = recovered(LimitSettings())
    limit.update_rate(bad, now_s)
    found = limit.at(now_s)
    assert (found.percent, found.reason) == (FLOOR, WRONG)
    assert f'{bad:.4g}' in found.text
    assert limit.faults == 1


def test_until_somebody_has_heard_the_floor_nothing_but_the_floor_is_said() -> None:
    limit, now_s = SpeedLimit(LimitSettings()), 0.0
    assert 'no adaptive rate received yet' in limit.at(now_s).text
    for now_s in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        limit.update_rate(1.0, now_s)
        found = limit.at(now_s)
        assert (found.percent, found.reason) == (FLOOR, STARTUP)
        assert 'received the floor yet' in found.text
    limit.floor_received = True
    for now_s in (0.8, 0.9, 1.0, 1.1):
        limit.update_rate(1.0, now_s)
        assert limit.at(now_s).percent == FLOOR
        assert 'subscriber' not in limit.at(now_s).text
    limit.update_rate(1.0, 1.2)
    found = limit.at(1.3)
    assert (found.percent, found.reason) == (pytest.approx(FLOOR + 5.0), RISING)
    assert 'fault' not in found.text


def test_after_a_fault_it_waits_for_good_messages_and_then_rises_along_a_line() -> None:
    limit, now_s = recovered(LimitSettings())
    limit.update_rate(math.nan, now_s)
    for count in range(1, 5):
        limit.update_rate(1.0, now_s + count * 0.1)
        found = limit.at(now_s + count * 0.1)
        assert (found.percent, found.reason) == (FLOOR, WRONG)
        assert f'{count} of 5' in found.text
    start_s = now_s + 0.5
    for step in range(17):
        now_s = start_s + step * 0.1
        limit.update_rate(1.0, now_s)
        assert limit.at(now_s).percent == pytest.approx(min(100, FLOOR + step * 5.0))
        assert limit.at(now_s).reason == (RECOVERING if step < 16 else FRESH)
    assert limit.at(now_s).reason == FRESH


def test_silence_is_a_fault_from_its_limit_on() -> None:
    limit, now_s = recovered(LimitSettings(stale_after_s=0.3))
    assert limit.at(now_s + 0.299).percent == 100
    found = limit.at(now_s + 0.301)
    assert (found.percent, found.reason) == (FLOOR, STALE)
    assert '0.3 s' in found.text
    limit.update_rate(1.0, now_s + 0.4)
    assert limit.at(now_s + 0.4).percent == FLOOR
    assert limit.faults == 1


def test_a_clock_that_ran_backwards_is_a_fault() -> None:
    limit, now_s = recovered(LimitSettings())
    assert limit.at(now_s - 1).percent == FLOOR


def test_what_stays_wrong_keeps_it_at_the_floor_until_told_otherwise() -> None:
    limit, now_s = recovered(LimitSettings())
    limit.set_problem('graph', 'two publishers')
    for _ in range(20):
        now_s += 0.1
        limit.set_problem('graph', 'two publishers')
        limit.update_rate(1.0, now_s)
        found = limit.at(now_s)
        assert (found.percent, found.reason, found.text) == (FLOOR, WRONG, 'two publishers')
    assert limit.faults == 1
    limit.set_problem('graph', '')
    limit.update_rate(1.0, now_s)
    assert limit.at(now_s).percent == FLOOR


def test_the_lowest_zone_counts_even_below_the_floor_and_is_held_for_ever() -> None:
    limit, now_s = recovered(LimitSettings(max_speed_mps=2.0))
    limit.update_zone('/left', 40.0, is_percent=True)
    limit.update_zone('/right', 1.0, is_percent=False)
    assert limit.at(now_s).percent == 40
    limit.update_zone('/right', 0.1, is_percent=False)
    found = limit.at(now_s)
    assert (found.percent, found.reason) == (pytest.approx(5), SOURCE)
    assert '/right' in found.text
    later = limit.at(now_s + 3600)
    assert (later.percent, later.reason) == (pytest.approx(5), STALE)
    assert '/right' in later.text


def test_a_governor_that_has_not_heard_a_zone_learns_it_from_one_that_has() -> None:
    first, second = (SpeedLimit(LimitSettings(), ['/left', '/right']) for _ in range(2))
    second.update_zone('/right', 60.0, is_percent=True)

    def tell() -> None:
        for one, other in ((first, second), (second, first)):
            other.learn_zones(one.known_zones())

    tell()
    assert first.zones == second.zones == {'/left': 100.0, '/right': 60.0}  # nothing is known
    first.update_zone('/left', 40.0, is_percent=True)
    tell()
    assert first.zones == second.zones == {'/left': 40.0, '/right': 60.0}
    # The one that heard it came back without; the other knows it still.
    first = SpeedLimit(LimitSettings(), ['/left', '/right'])
    tell()
    assert first.zones == second.zones == {'/left': 40.0, '/right': 60.0}
    # What one hears itself counts, and the other follows.
    first.update_zone('/left', 0.0, is_percent=True)
    tell()
    tell()
    assert first.zones == second.zones == {'/left': 100.0, '/right': 60.0}


def test_zero_ends_a_zone_and_needs_no_speed() -> None:
    limit, now_s = recovered(LimitSettings())
    limit.update_zone('/left', 40.0, is_percent=True)
    limit.update_zone('/left', 0.0, is_percent=False)
    assert limit.at(now_s).percent == 100


@pytest.mark.parametrize(
    ('value', 'is_percent', 'named'),
    [
        (-1.0, True, '-1'),
        (math.nan, True, 'nan'),
        (math.inf, True, 'inf'),
        (-0.5, False, '-0.5'),
        (0.7, False, 'max_speed_mps'),
    ],
)
def test_a_zone_that_makes_no_sense_is_a_fault_until_that_source_mends_it(
    value: float, is_percent: bool, named: str
) -> None:
    limit, now_s = recovered(LimitSettings())
    limit.update_zone('/left', 10.0, is_percent=True)
    limit.update_zone('/left', value, is_percent=is_percent)
    limit.update_zone('/right', 50.0, is_percent=True)
    found = limit.at(now_s)
    assert (found.percent, found.reason) == (10, WRONG)  # the zone before goes on to hold
    assert named in found.text
    assert '/left' in found.text
    limit.update_zone('/left', 0.0, is_percent=True)
    assert limit.at(now_s).percent == FLOOR


def test_until_a_source_speaks_its_initial_limit_counts() -> None:
    limit, now_s = recovered(LimitSettings(initial_zone_limit=30.0))
    assert (limit.at(now_s).percent, limit.at(now_s).reason) == (30, SOURCE)
    limit.update_zone('/left', 0.0, is_percent=True)
    assert limit.at(now_s).percent == 30
    limit.update_zone('/right', 0.0, is_percent=True)
    assert limit.at(now_s).percent == 100


def test_the_end_is_the_floor_or_a_lower_zone() -> None:
    limit, now_s = recovered(LimitSettings())
    limit.shut_down()
    limit.update_rate(1.0, now_s)
    assert (limit.at(now_s).percent, limit.at(now_s).reason) == (FLOOR, SHUTDOWN)
    limit.update_zone('/left', 5.0, is_percent=True)
    assert limit.at(now_s).percent == 5
