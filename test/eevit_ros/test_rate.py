"""The rate law: bounds, monotonicity, attack, release, recovery, staleness."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.rate import RateLaw, RateSettings

LAYERS = 12
ROUNDING = 1e-12  # two histories are compared: each may be off by its own roundings
# No time limits: a busy machine is no fault of the code.
THOROUGH = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

rate_settings = st.builds(
    RateSettings,
    floor=st.floats(0.01, 1),
    easy_depth=st.floats(0, 1),
    attack_s=st.one_of(st.just(0.0), st.floats(1e-3, 10)),
    release_per_s=st.floats(1e-3, 100),
    easy_frames=st.integers(1, 6),
    min_confidence=st.floats(0, 1),
    stale_after_s=st.floats(0.05, 3),
)


@dataclass(frozen=True)
class Event:
    """A frame `wait_s` after the one before: an answer after `layer` layers, or a fault."""

    wait_s: float
    layer: int
    confidence: float
    fault: bool = False

    def harder(self, layers: int, share: float, fault: bool) -> Event:
        """Return an event at the same time, nowhere easier."""
        layer = min(LAYERS, self.layer + layers)
        return Event(self.wait_s, layer, self.confidence * share, self.fault or fault)


events = st.builds(
    Event,
    wait_s=st.one_of(st.sampled_from([0.0, 1 / 30, 1 / 15, 0.1]), st.floats(0, 1)),
    layer=st.integers(1, LAYERS),
    confidence=st.floats(0, 1),
    fault=st.sampled_from([False] * 9 + [True]),
)
pairs = st.lists(
    st.builds(
        lambda easy, *harder: (easy, easy.harder(*harder)),
        events,
        st.one_of(st.just(0), st.integers(0, LAYERS)),
        st.one_of(st.just(1.0), st.floats(0, 1)),
        st.sampled_from([False] * 9 + [True]),
    ),
    min_size=1,
    max_size=40,
)


def feed(law: RateLaw, event: Event, now_s: float) -> float:
    """Give one event to the law and return the rate it answers."""
    if event.fault:
        return law.fault(now_s)
    return law.answer(event.layer / LAYERS, event.confidence, event.layer == LAYERS, now_s)


def trace(
    config: RateSettings, sequence: list[Event], looks: int = 4, after_s: float = 1.0
) -> list[tuple[float, float]]:
    """Return (time, rate) at every event and at `looks` moments after each, in order."""
    law = RateLaw(config)
    points, now_s = [], 0.0
    waits = [event.wait_s for event in sequence[1:]] + [after_s]
    for event, wait_s in zip(sequence, waits, strict=True):
        points.append((now_s, feed(law, event, now_s)))
        points += [
            (now_s + wait_s * i / looks, law.at(now_s + wait_s * i / looks)) for i in range(looks)
        ]
        now_s += wait_s
    return points


def easy(law: RateLaw, now_s: float) -> float:
    """Give the law a frame that left at the first layer, sure of itself."""
    return law.answer(1 / LAYERS, 0.99, False, now_s)


def law_at_one(config: RateSettings) -> tuple[RateLaw, float]:
    """Return a law whose rate has risen to 1, and the time of its last answer."""
    law, now_s = RateLaw(config), 0.0
    for _ in range(100_000):
        if easy(law, now_s) == 1:
            return law, now_s
        now_s += config.stale_after_s / 2
    raise AssertionError('the rate never reached 1')


# Bounds ------------------------------------------------------------------------------------------

anything = st.floats(allow_nan=True, allow_infinity=True)
calls_of_anything = st.lists(
    st.tuples(
        st.sampled_from(['answer', 'fault', 'at']),
        anything,
        anything,
        st.booleans(),
        st.one_of(anything, st.floats(0, 10)),
    ),
    max_size=30,
)


@THOROUGH
@given(rate_settings, calls_of_anything)
def test_rate_is_within_floor_and_one_whatever_comes(
    config: RateSettings, calls: list[tuple[str, float, float, bool, float]]
) -> None:
    law = RateLaw(config)
    for kind, depth, confidence, is_final, now_s in calls:
        if kind == 'answer':
            rate = law.answer(depth, confidence, is_final, now_s)
        else:
            rate = law.fault(now_s) if kind == 'fault' else law.at(now_s)
        assert config.floor <= rate <= 1
        assert config.floor <= law.target(depth, confidence, is_final) <= 1


@THOROUGH
@given(rate_settings, st.lists(events, min_size=1, max_size=40))
def test_rate_is_within_floor_and_one_in_ordinary_use(
    config: RateSettings, sequence: list[Event]
) -> None:
    assert all(config.floor <= rate <= 1 for _, rate in trace(config, sequence))


# Monotone ----------------------------------------------------------------------------------------


@settings(THOROUGH, max_examples=1000)
@given(rate_settings, pairs)
# A low rate finds frames easy that a high rate does not: with a counter it would overtake.
@example(
    RateSettings(attack_s=0.0, release_per_s=5, easy_frames=3),
    [(Event(0.05, 1, 0.9), Event(0.05, 1, 0.9))] * 8
    + [(Event(0.05, 8, 0.9), Event(0.05, 11, 0.9))]
    + [(Event(0.05, 8, 0.9), Event(0.05, 9, 0.9))] * 5
    + [(Event(0.05, 1, 0.9), Event(0.05, 1, 0.9))] * 3,
)
def test_harder_frames_nowhere_give_a_higher_rate(
    config: RateSettings, sequence: list[tuple[Event, Event]]
) -> None:
    easier = trace(config, [pair[0] for pair in sequence])
    harder = trace(config, [pair[1] for pair in sequence])
    for (now_s, high), (_, low) in zip(easier, harder, strict=True):
        assert low <= high + ROUNDING, f'at {now_s} s'


@THOROUGH
@given(
    rate_settings, st.integers(1, LAYERS), st.integers(0, LAYERS), st.floats(0, 1), st.floats(0, 1)
)
def test_target_falls_with_depth_and_with_doubt(
    config: RateSettings, layer: int, more: int, confidence: float, share: float
) -> None:
    law = RateLaw(config)
    deeper = min(LAYERS, layer + more)
    assert law.target(deeper / LAYERS, confidence * share, deeper == LAYERS) <= law.target(
        layer / LAYERS, confidence, layer == LAYERS
    )


# The map -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('depth', 'expected'), [(1 / 12, 1.0), (0.5, 1.0), (0.75, 0.6), (0.875, 0.4), (1.0, 0.2)]
)
def test_target_is_one_up_to_easy_depth_then_linear_to_the_floor(
    depth: float, expected: float
) -> None:
    assert RateLaw(RateSettings()).target(depth, 0.9, depth == 1) == pytest.approx(expected)


def test_easy_depth_of_one_leaves_only_faults_to_slow_down() -> None:
    law = RateLaw(RateSettings(easy_depth=1.0))
    assert law.target(1.0, 0.31, True) == 1.0
    assert law.target(1.0, 0.3, True) == 1.0  # at min_confidence, not below it
    assert law.target(1.0, 0.29, True) == 0.2


# Downwards ---------------------------------------------------------------------------------------


@THOROUGH
@given(
    st.floats(1e-3, 5),
    st.integers(7, LAYERS),
    st.lists(st.floats(1e-3, 0.4), min_size=1, max_size=9),
)
def test_attack_is_first_order_however_many_frames_say_the_same(
    attack_s: float, layer: int, waits: list[float]
) -> None:
    law, start_s = law_at_one(RateSettings(attack_s=attack_s))
    event = Event(0, layer, 0.9)
    target = law.target(layer / LAYERS, 0.9, layer == LAYERS)
    now_s = start_s + 0.01
    first_s = now_s
    for wait_s in waits:
        feed(law, event, now_s)
        now_s += wait_s
        expected = target + (1 - target) * math.exp(-(now_s - first_s) / attack_s)
        assert law.at(now_s) == pytest.approx(expected, abs=1e-9)


def test_attack_of_zero_falls_at_once() -> None:
    law, now_s = law_at_one(RateSettings(attack_s=0.0))
    assert law.answer(0.75, 0.9, False, now_s) == pytest.approx(0.6)


def test_one_hard_frame_is_felt_and_forgotten_only_after_easy_ones() -> None:
    law, now_s = law_at_one(RateSettings(attack_s=0.0, easy_frames=3))
    law.answer(0.75, 0.9, False, now_s + 0.1)
    rates = [easy(law, now_s + 0.1 * i) for i in range(2, 7)]
    assert rates == pytest.approx([0.6, 0.6, 0.6, 0.65, 0.7])  # rises from the third on


# Upwards -----------------------------------------------------------------------------------------


@THOROUGH
@given(rate_settings, st.lists(events, min_size=1, max_size=30))
def test_between_any_two_moments_it_rises_by_no_more_than_the_slope(
    config: RateSettings, sequence: list[Event]
) -> None:
    points = trace(config, sequence)
    for (early_s, early), (late_s, late) in pairwise(points):  # so it holds for any two: it adds up
        assert late - early <= config.release_per_s * (late_s - early_s) + ROUNDING


@THOROUGH
@given(st.integers(1, 10), st.integers(1, 60))
def test_from_the_floor_it_rises_after_easy_frames_and_not_before(
    easy_frames: int, per_s: int
) -> None:
    config = RateSettings(easy_frames=easy_frames, stale_after_s=1.5)
    law = RateLaw(config)
    for i in range(easy_frames):
        assert easy(law, i / per_s) == config.floor
        assert (law.at((i + 0.5) / per_s) > config.floor) == (i == easy_frames - 1)


def test_it_rises_no_higher_than_the_lowest_of_the_last_targets() -> None:
    config = RateSettings(release_per_s=100.0)
    law = RateLaw(config)
    for i, layer in enumerate([1, 9, 1]):
        law.answer(layer / LAYERS, 0.9, False, i * 0.1)
    assert law.at(0.3) == pytest.approx(law.target(9 / LAYERS, 0.9, False))


@pytest.mark.parametrize('easy_frames', [1, 3, 8])
def test_easy_frames_always_lead_back_to_one(easy_frames: int) -> None:
    law = RateLaw(RateSettings(easy_frames=easy_frames))
    law.fault(0.0)
    for i in range(1, 60):
        rate = easy(law, i / 15)
    assert rate == 1


# Faults and staleness ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    'answer',
    [
        pytest.param((1.0, 0.29, True), id='final exit below min_confidence'),
        pytest.param((0.1, math.nan, False), id='confidence is NaN'),
        pytest.param((0.1, -0.1, False), id='confidence is negative'),
        pytest.param((0.1, 1.1, False), id='confidence above 1'),
        pytest.param((0.1, math.inf, False), id='confidence is infinite'),
        pytest.param((math.nan, 0.9, False), id='depth is NaN'),
        pytest.param((-0.1, 0.9, False), id='depth is negative'),
        pytest.param((1.1, 0.9, True), id='depth above 1'),
    ],
)
def test_an_answer_that_is_none_falls_at_once_and_starts_over(
    answer: tuple[float, float, bool],
) -> None:
    config = RateSettings(attack_s=5.0)
    law, now_s = law_at_one(config)
    assert law.answer(*answer, now_s + 0.01) == config.floor
    assert [easy(law, now_s + 0.1 * i) for i in range(1, 5)] == pytest.approx([0.2, 0.2, 0.2, 0.25])


def test_an_error_falls_at_once_and_starts_over() -> None:
    law, now_s = law_at_one(RateSettings(attack_s=5.0))
    assert law.fault(now_s + 0.01) == 0.2
    assert [easy(law, now_s + 0.1 * i) for i in range(1, 5)] == pytest.approx([0.2, 0.2, 0.2, 0.25])


@pytest.mark.parametrize('step_s', [-0.001, -1e9, math.nan, math.inf, -math.inf])
def test_time_that_jumps_is_a_fault_from_which_the_law_recovers(step_s: float) -> None:
    law, now_s = law_at_one(RateSettings())
    assert easy(law, now_s + step_s) == 0.2
    assert law.at(now_s + step_s - 0.001) == 0.2
    for i in range(60):  # goes on with the clock as it is now
        rate = easy(law, now_s - 1 + i / 15)
    assert rate == 1


def test_the_frame_of_a_time_step_backwards_does_not_count_as_easy() -> None:
    law, now_s = law_at_one(RateSettings(easy_frames=3))
    rates = [easy(law, now_s - 0.001 + 0.1 * i) for i in range(5)]
    assert rates == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.25])


def test_without_an_answer_younger_than_stale_after_it_is_at_the_floor() -> None:
    law, now_s = law_at_one(RateSettings(stale_after_s=0.5, attack_s=5.0))
    assert law.at(now_s + 0.4999) == 1
    assert law.at(now_s + 0.5) == 0.2
    assert law.at(now_s + 1e6) == 0.2


def test_after_staleness_it_starts_from_the_floor() -> None:
    law, now_s = law_at_one(RateSettings(stale_after_s=0.5))
    back_s = now_s + 0.6
    rates = [easy(law, back_s + 0.1 * i) for i in range(4)]
    assert rates == pytest.approx([0.2, 0.2, 0.2, 0.25])


def test_before_any_answer_it_is_at_the_floor() -> None:
    law = RateLaw(RateSettings(floor=0.3))
    assert [law.at(now_s) for now_s in (-1e9, 0.0, 5.0, math.nan)] == [0.3] * 4


# Nobody's looking changes it ---------------------------------------------------------------------


@THOROUGH
@given(rate_settings, st.lists(events, min_size=1, max_size=30), st.integers(1, 9))
def test_looking_more_often_changes_nothing(
    config: RateSettings, sequence: list[Event], looks: int
) -> None:
    watched, left_alone, now_s = RateLaw(config), RateLaw(config), 0.0
    for event in sequence:
        for i in range(looks):
            watched.at(now_s + event.wait_s * i / looks)
        watched.at(now_s + 1e6)
        watched.at(math.nan)
        now_s += event.wait_s
        assert feed(watched, event, now_s) == feed(left_alone, event, now_s)


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('name', 'bad'),
    [
        ('floor', 0.0), ('floor', 0.009), ('floor', 1.01), ('floor', math.nan),
        ('easy_depth', -0.1), ('easy_depth', 1.1), ('easy_depth', math.nan),
        ('attack_s', -0.1), ('attack_s', math.inf), ('attack_s', math.nan),
        ('release_per_s', 0.0), ('release_per_s', math.inf), ('release_per_s', math.nan),
        ('easy_frames', 0), ('easy_frames', 2.5), ('easy_frames', 1001),
        ('min_confidence', -0.1), ('min_confidence', 1.1), ('min_confidence', math.nan),
        ('stale_after_s', 0.0), ('stale_after_s', math.inf), ('stale_after_s', math.nan),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name_and_value(name: str, bad: float) -> None:
    with pytest.raises(EevitError, match=f'rate.{name} must be .*Got {bad}'):
        replace(RateSettings(), **{name: bad})
