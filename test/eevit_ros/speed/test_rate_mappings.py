"""The mappings: from one answer to the rate that answers like it lead to."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.speed.rate import MAPPINGS, RateInput, RateLaw, RateSettings
from test.eevit_ros.speed.rate_strategies import (
    THOROUGH,
    ages,
    anything,
    contrasts,
    rate_settings,
)

ROUNDING = 1e-12
shares = st.floats(0, 1)
intervals = st.one_of(st.sampled_from([0.0, 1 / 30, math.inf]), st.floats(0, 2), st.floats(0, 1e9))
answers = st.builds(RateInput, shares, shares, ages, contrasts)


def target(config: RateSettings, answer: RateInput, interval_s: float) -> float:
    return RateLaw(config).target(answer, interval_s)


def sure(config: RateSettings, age_s: float | None) -> RateInput:
    """Return an answer as easy as can be, but for its age."""
    return RateInput(depth=0.0, confidence=1.0, age_s=age_s)


# All of them -------------------------------------------------------------------------------------


@THOROUGH
@given(
    rate_settings,
    st.builds(
        RateInput,
        anything,
        anything,
        st.one_of(st.none(), anything),
        st.one_of(st.none(), anything),
    ),
    anything,
)
def test_a_target_is_within_floor_and_one_whatever_comes(
    config: RateSettings, answer: RateInput, interval_s: float
) -> None:
    assert config.floor <= target(config, answer, interval_s) <= 1


@THOROUGH
@given(rate_settings, answers, intervals, shares, shares, st.floats(0, 20), st.floats(0, 20))
def test_a_target_falls_or_stays_with_each_hardship(
    config: RateSettings,
    answer: RateInput,
    interval_s: float,
    deeper: float,
    surer: float,
    older_s: float,
    longer_s: float,
) -> None:
    easy = target(config, answer, interval_s) + ROUNDING
    unknown = replace(answer, age_s=None)
    assert target(config, replace(answer, depth=max(answer.depth, deeper)), interval_s) <= easy
    less = replace(answer, confidence=answer.confidence * surer)
    assert target(config, less, interval_s) <= easy
    assert target(config, unknown, interval_s) <= easy
    assert target(config, answer, interval_s + longer_s) <= easy
    assert target(config, answer, math.inf) <= easy
    if answer.age_s is not None:
        older = replace(answer, age_s=answer.age_s + older_s)
        assert target(config, older, interval_s) <= easy
    assert target(config, replace(answer, contrast=None), interval_s) <= easy
    if answer.contrast is not None:
        paler = replace(answer, contrast=answer.contrast * surer)
        assert target(config, paler, interval_s) <= easy


@THOROUGH
@given(rate_settings, answers, intervals)
def test_of_several_mappings_the_lowest_counts(
    config: RateSettings, answer: RateInput, interval_s: float
) -> None:
    alone = [
        target(replace(config, mappings=(name,)), answer, interval_s) for name in config.mappings
    ]
    assert target(config, answer, interval_s) == min(alone)


@pytest.mark.parametrize('mapping', MAPPINGS)
@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf, -0.001])
@pytest.mark.parametrize('field', ['depth', 'confidence', 'age_s', 'contrast'])
def test_an_answer_that_is_no_number_gives_the_floor(mapping: str, field: str, bad: float) -> None:
    config = RateSettings(mappings=(mapping,))
    good = RateInput(0.1, 0.99, 0.02, 60.0)
    assert target(config, good, 0.05) == 1
    assert target(config, replace(good, **{field: bad}), 0.05) == config.floor


@pytest.mark.parametrize('interval_s', [math.nan, math.inf, -0.001, -math.inf])
def test_an_interval_that_is_none_gives_the_floor_where_it_counts(interval_s: float) -> None:
    config, good = RateSettings(), RateInput(0.1, 0.99, 0.02, 60.0)
    floors = {
        name for name in MAPPINGS
        if target(replace(config, mappings=(name,)), good, interval_s) == config.floor
    }  # fmt: skip
    assert floors == {'latency', 'stopping_distance'}


@pytest.mark.parametrize(
    ('unknown', 'where'),
    [('age_s', {'latency', 'stopping_distance'}), ('contrast', {'contrast'})],
)
def test_what_is_unknown_gives_the_floor_where_it_counts(unknown: str, where: set[str]) -> None:
    config, good = RateSettings(), replace(RateInput(0.1, 0.99, 0.02, 60.0), **{unknown: None})
    rates = {name: target(replace(config, mappings=(name,)), good, 0.05) for name in MAPPINGS}
    assert rates == {name: config.floor if name in where else 1 for name in MAPPINGS}


@THOROUGH
@given(rate_settings, shares, shares, intervals)
def test_below_min_confidence_every_exit_gives_the_floor(
    config: RateSettings, depth: float, share: float, interval_s: float
) -> None:
    confidence = share * config.min_confidence
    assume(confidence < config.min_confidence)
    assert target(config, RateInput(depth, confidence, 0.0), interval_s) == config.floor


# One by one --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('depth', 'expected'), [(1 / 12, 1.0), (0.5, 1.0), (0.75, 0.6), (0.875, 0.4), (1.0, 0.2)]
)
def test_depth_is_one_up_to_easy_depth_then_linear_to_the_floor(
    depth: float, expected: float
) -> None:
    assert target(RateSettings(), RateInput(depth, 0.9), 0.1) == pytest.approx(expected)


def test_easy_depth_of_one_leaves_only_faults_to_slow_down() -> None:
    config = RateSettings(easy_depth=1.0)
    assert target(config, RateInput(1.0, 0.31), 0.1) == 1.0
    assert target(config, RateInput(1.0, 0.3), 0.1) == 1.0  # at min_confidence, not below it
    assert target(config, RateInput(1.0, 0.29), 0.1) == 0.2


@pytest.mark.parametrize(
    ('confidence', 'expected'), [(1.0, 1.0), (0.9, 1.0), (0.75, 0.8), (0.6, 0.6), (0.3, 0.2)]
)
def test_confidence_is_one_from_easy_confidence_and_linear_down_to_the_floor(
    confidence: float, expected: float
) -> None:
    config = RateSettings(mappings=('confidence',))
    for depth in (0.1, 1.0):
        assert target(config, RateInput(depth, confidence), 0.1) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('contrast', 'expected'), [(60.0, 1.0), (20.0, 1.0), (10.0, 0.6), (2.0, 0.28), (0.0, 0.2)]
)
def test_contrast_is_one_from_easy_contrast_and_linear_down_to_the_floor(
    contrast: float, expected: float
) -> None:
    config = RateSettings(mappings=('contrast',))
    for depth in (0.1, 1.0):
        answer = RateInput(depth, 0.9, contrast=contrast)
        assert target(config, answer, 0.1) == pytest.approx(expected)


@pytest.mark.parametrize('easy', [0.3, 0.2])
def test_easy_confidence_at_or_below_min_confidence_would_be_no_mapping(easy: float) -> None:
    message = "rate.easy_confidence' must be above rate.min_confidence (0.3) for the mapping 'conf"
    with pytest.raises(EevitError, match=re.escape(message)) as caught:
        RateSettings(mappings=('depth', 'confidence'), easy_confidence=easy, min_confidence=0.3)
    assert str(caught.value).endswith(f'Got {easy}')
    unused = RateSettings(mappings=('depth',), easy_confidence=easy, min_confidence=0.3)
    assert target(unused, RateInput(0.1, 0.3), 0.1) == 1


@THOROUGH
@given(rate_settings, st.floats(0, 20), st.floats(0, 20))
def test_latency_keeps_the_distance_driven_during_one_cycle(
    config: RateSettings, age_s: float, interval_s: float
) -> None:
    assume(config.floor < 1)
    config = replace(config, mappings=('latency',))
    rate, cycle_s = target(config, sure(config, age_s), interval_s), age_s + interval_s
    if rate == 1:
        assert cycle_s <= config.reference_cycle_s * (1 + ROUNDING)
    elif rate == config.floor:
        assert rate * cycle_s >= config.reference_cycle_s * (1 - ROUNDING)
    else:
        assert rate * cycle_s == pytest.approx(config.reference_cycle_s)


@THOROUGH
@given(rate_settings, st.floats(0, 20), st.floats(0, 20))
def test_stopping_distance_is_the_highest_speed_that_stops_in_sight(
    config: RateSettings, age_s: float, interval_s: float
) -> None:
    assume(config.floor < 1)
    config = replace(config, mappings=('stopping_distance',))
    rate = target(config, sure(config, age_s), interval_s)
    speed_mps, sight_m = rate * config.max_speed_mps, config.sight_distance_m
    needed_m = speed_mps * (age_s + interval_s) + speed_mps**2 / (2 * config.deceleration_mps2)
    if config.floor < rate < 1:
        assert needed_m == pytest.approx(sight_m)
    if rate == 1:
        assert needed_m <= sight_m * (1 + 1e-9)
    if rate == config.floor:  # the law goes no lower, even where the floor is too fast
        assert needed_m >= sight_m * (1 - 1e-9)
