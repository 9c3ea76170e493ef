"""The rate law over time: bounds, monotonicity, attack, release, recovery, staleness."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.speed.rate import MAPPINGS, RateInput, RateLaw, RateSettings
from test.eevit_ros.speed.rate_strategies import THOROUGH, ages, anything, contrasts, rate_settings

LAYERS = 12
ROUNDING = 1e-12  # two histories are compared: each may be off by its own roundings
EASY = RateInput(depth=1 / LAYERS, confidence=0.99, age_s=0.02)
HARDER = RateInput(depth=0.75, confidence=0.9)


@dataclass(frozen=True)
class Event:
    """A frame `wait_s` after the one before: an answer after `layer` layers, or a fault."""

    wait_s: float
    layer: int
    confidence: float
    age_s: float | None = 0.05
    fault: bool = False
    contrast: float | None = 60.0

    def harder(
        self, layers: int, share: float, older_s: float | None, fault: bool, left: float
    ) -> Event:
        """Return an event at the same time, nowhere easier; an unknown age is the oldest."""
        unknown = self.age_s is None or older_s is None
        return Event(
            self.wait_s,
            min(LAYERS, self.layer + layers),
            self.confidence * share,
            None if unknown else self.age_s + older_s,
            self.fault or fault,
            None if self.contrast is None else self.contrast * left,
        )


faults = st.sampled_from([False] * 9 + [True])
events = st.builds(
    Event,
    wait_s=st.one_of(st.sampled_from([0.0, 1 / 30, 1 / 15, 0.1]), st.floats(0, 1)),
    layer=st.integers(1, LAYERS),
    confidence=st.floats(0, 1),
    age_s=ages,
    fault=faults,
    contrast=contrasts,
)
pairs = st.lists(
    st.builds(
        lambda easy, *harder: (easy, easy.harder(*harder)),
        events,
        st.one_of(st.just(0), st.integers(0, LAYERS)),
        st.one_of(st.just(1.0), st.floats(0, 1)),
        st.one_of(st.just(0.0), ages),
        faults,
        st.one_of(st.just(1.0), st.floats(0, 1)),
    ),
    min_size=1,
    max_size=40,
)


def feed(law: RateLaw, event: Event, now_s: float) -> float:
    """Give one event to the law and return the rate it answers."""
    if event.fault:
        return law.fault(now_s)
    depth = event.layer / LAYERS
    return law.update(RateInput(depth, event.confidence, event.age_s, event.contrast), now_s)


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
    return law.update(EASY, now_s)


def law_at_one(config: RateSettings) -> tuple[RateLaw, float]:
    """Return a law whose rate has risen to 1, and the time of its last answer."""
    law, now_s = RateLaw(config), 0.0
    for _ in range(100_000):
        if easy(law, now_s) == 1:
            return law, now_s
        now_s += config.stale_after_s / 2
    raise AssertionError('the rate never reached 1')


# Bounds ------------------------------------------------------------------------------------------

calls_of_anything = st.lists(
    st.tuples(
        st.sampled_from(['answer', 'fault', 'hold', 'at']),
        st.builds(RateInput, anything, anything, st.one_of(st.none(), anything)),
        st.one_of(anything, st.floats(0, 10)),
    ),
    max_size=30,
)


@THOROUGH
@given(rate_settings, calls_of_anything)
def test_rate_is_within_floor_and_one_whatever_comes(
    config: RateSettings, calls: list[tuple[str, RateInput, float]]
) -> None:
    law = RateLaw(config)
    for kind, answer, now_s in calls:
        if kind == 'answer':
            rate = law.update(answer, now_s)
        else:
            rate = getattr(law, kind)(now_s)
        assert config.floor <= rate <= 1


@THOROUGH
@given(rate_settings, st.lists(events, min_size=1, max_size=40))
def test_rate_is_within_floor_and_one_in_ordinary_use(
    config: RateSettings, sequence: list[Event]
) -> None:
    assert all(config.floor <= rate <= 1 for _, rate in trace(config, sequence))


# Monotone ----------------------------------------------------------------------------------------


@settings(THOROUGH, max_examples=300)
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
    law, start_s = law_at_one(RateSettings(attack_s=attack_s, stale_after_s=0.5))
    event = Event(0, layer, 0.9)
    target = law.target(RateInput(layer / LAYERS, 0.9), 0.01)
    now_s = start_s + 0.01
    first_s = now_s
    for wait_s in waits:
        feed(law, event, now_s)
        now_s += wait_s
        expected = target + (1 - target) * math.exp(-(now_s - first_s) / attack_s)
        assert law.at(now_s) == pytest.approx(expected, abs=1e-9)


def test_attack_of_zero_falls_at_once() -> None:
    law, now_s = law_at_one(RateSettings(attack_s=0.0))
    assert law.update(HARDER, now_s) == pytest.approx(0.6)


def test_one_hard_frame_is_felt_and_forgotten_only_after_easy_ones() -> None:
    law, now_s = law_at_one(RateSettings(attack_s=0.0, easy_frames=3))
    law.update(HARDER, now_s + 0.1)
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
        law.update(RateInput(layer / LAYERS, 0.9), i * 0.1)
    assert law.at(0.3) == pytest.approx(law.target(RateInput(9 / LAYERS, 0.9), 0.1))


@pytest.mark.parametrize('easy_frames', [1, 3, 8])
def test_easy_frames_always_lead_back_to_one(easy_frames: int) -> None:
    law = RateLaw(RateSettings(easy_frames=easy_frames))
    law.fault(0.0)
    for i in range(1, 60):
        rate = easy(law, i / 15)
    assert rate == 1


# Frame interval ----------------------------------------------------------------------------------


@pytest.mark.parametrize('mapping', ['latency', 'stopping_distance'])
@pytest.mark.parametrize('interval_s', [0.05, 0.25, 0.8])
def test_the_rate_settles_at_the_target_of_its_frame_interval(
    mapping: str, interval_s: float
) -> None:
    config = RateSettings(mappings=(mapping,), max_speed_mps=2.0, stale_after_s=1.0)
    law = RateLaw(config)
    for i in range(200):
        law.update(EASY, i * interval_s)
    expected = law.target(EASY, interval_s)
    assert config.floor < expected
    assert law.at(199.01 * interval_s) == pytest.approx(expected)


@pytest.mark.parametrize('mapping', ['latency', 'stopping_distance'])
@pytest.mark.parametrize('first_is_a_fault', [False, True])
def test_the_first_frame_shows_no_interval_and_a_fault_is_a_frame(
    mapping: str, first_is_a_fault: bool
) -> None:
    config = RateSettings(mappings=(mapping,), easy_frames=1, release_per_s=100.0)
    law = RateLaw(config)
    assert (law.fault(5.0) if first_is_a_fault else easy(law, 5.0)) == config.floor
    assert law.at(5.09) == config.floor
    easy(law, 5.1)
    assert law.at(5.15) == law.target(EASY, 5.1 - 5.0) == 1


def test_one_late_frame_slows_down_and_counts_for_easy_frames() -> None:
    config = RateSettings(mappings=('latency',), attack_s=0.0, easy_frames=3, stale_after_s=1.0)
    law, now_s = RateLaw(config), 0.0
    for _ in range(60):
        rate, now_s = easy(law, now_s + 0.1), now_s + 0.1
    assert rate == 1
    late_s = now_s + 0.38
    assert easy(law, late_s) == pytest.approx(0.2 / (0.02 + 0.38))
    rates = [easy(law, late_s + 0.1 * i) for i in range(1, 5)]
    assert rates == pytest.approx([0.5, 0.5, 0.5, 0.55])


# Faults and staleness ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    'answer',
    [
        pytest.param(RateInput(1.0, 0.29), id='final exit below min_confidence'),
        pytest.param(RateInput(0.1, 0.29), id='early exit below min_confidence'),
        pytest.param(RateInput(0.1, math.nan), id='confidence is NaN'),
        pytest.param(RateInput(0.1, -0.1), id='confidence is negative'),
        pytest.param(RateInput(0.1, 1.1), id='confidence above 1'),
        pytest.param(RateInput(0.1, math.inf), id='confidence is infinite'),
        pytest.param(RateInput(math.nan, 0.9), id='depth is NaN'),
        pytest.param(RateInput(-0.1, 0.9), id='depth is negative'),
        pytest.param(RateInput(1.1, 0.9), id='depth above 1'),
        pytest.param(RateInput(0.1, 0.9, math.nan), id='age is NaN'),
        pytest.param(RateInput(0.1, 0.9, -0.1), id='age is negative'),
        pytest.param(RateInput(0.1, 0.9, math.inf), id='age is infinite'),
    ],
)
def test_an_answer_that_is_none_falls_at_once_and_starts_over(answer: RateInput) -> None:
    config = RateSettings(attack_s=5.0, stale_after_s=0.5)
    law, now_s = law_at_one(config)
    assert law.update(answer, now_s + 0.01) == config.floor
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


@THOROUGH
@given(rate_settings, st.lists(events, max_size=20), st.lists(st.floats(0, 0.4), min_size=1))
def test_frames_that_say_nothing_never_lift_the_rate(
    config: RateSettings, sequence: list[Event], waits: list[float]
) -> None:
    law, now_s = RateLaw(config), 0.0
    for event in sequence:
        now_s += event.wait_s
        feed(law, event, now_s)
    before = law.at(now_s)
    for wait_s in waits:
        after = law.hold(now_s)
        now_s += wait_s
        assert max(after, law.at(now_s)) <= before
        before = law.at(now_s)
        assert wait_s < config.stale_after_s or before == config.floor


def test_frames_that_say_nothing_keep_the_rate_from_going_stale() -> None:
    law, now_s = law_at_one(RateSettings())
    for _ in range(20):
        now_s += 0.2
        assert law.hold(now_s) == 1
    assert law.hold(now_s + 0.4) == RateSettings().floor


def test_a_frame_in_fog_slows_although_it_says_nothing() -> None:
    """A detector that finds nothing there is no reason to go on as before."""
    settings = RateSettings(mappings=('depth', 'contrast'), release_per_s=100, easy_frames=1)
    law = RateLaw(settings)
    law.update(replace(EASY, contrast=127.0), 0.0)
    assert law.hold(0.1, 127.0) == 1
    law.hold(0.2, 1.0)
    assert law.at(0.3) < 0.9


def test_an_old_frame_slows_although_it_says_nothing() -> None:
    law = RateLaw(RateSettings(mappings=('latency',), release_per_s=100, easy_frames=1))
    law.update(replace(EASY, age_s=0.0), 0.0)
    law.update(replace(EASY, age_s=0.0), 0.1)
    assert law.hold(0.2, age_s=0.05) == 1
    law.hold(0.3, age_s=2.0)
    assert law.at(0.4) < 0.9


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('name', 'bad'),
    [
        ('floor', 0.0), ('floor', 0.009), ('floor', 1.01), ('floor', math.nan),
        ('mappings', ()), ('mappings', ('speed',)), ('mappings', ('depth', '')),
        ('mappings', 'depth'), ('reference_cycle_s', 0.0), ('reference_cycle_s', math.inf),
        ('reference_cycle_s', math.nan), ('max_speed_mps', math.nan),
        ('max_speed_mps', 0.0), ('deceleration_mps2', -1.0), ('sight_distance_m', 1000.1),
        ('easy_confidence', -0.1), ('easy_confidence', 1.1), ('easy_confidence', math.nan),
        ('easy_depth', -0.1), ('easy_depth', 1.1), ('easy_depth', math.nan),
        ('attack_s', -0.1), ('attack_s', math.inf), ('attack_s', math.nan),
        ('release_per_s', 0.0), ('release_per_s', math.inf), ('release_per_s', math.nan),
        ('easy_frames', 0), ('easy_frames', 2.5), ('easy_frames', 1001),
        ('min_confidence', -0.1), ('min_confidence', 1.1), ('min_confidence', math.nan),
        ('stale_after_s', 0.0), ('stale_after_s', math.inf), ('stale_after_s', math.nan),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name_and_value(name: str, bad: object) -> None:
    with pytest.raises(EevitError, match=re.escape(f'Got {bad!r}')) as caught:
        replace(RateSettings(), **{name: bad})
    assert str(caught.value).startswith(f"parameter 'rate.{name}' must be ")


def test_an_unknown_mapping_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EevitError, match=f'one or more of {", ".join(MAPPINGS)}'):
        RateSettings(mappings=('depth', 'speed'))
