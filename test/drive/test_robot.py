from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.journey import STEP_S
from drive.robot import (
    ACCELERATION_MPS2,
    FLOOR,
    TOP_SPEED_MPS,
    Robot,
    SpeedRule,
    constant_speed_mps,
    stopping_distance_m,
)
from drive.scene.world import LENGTH_M

SPEEDS = st.floats(0, TOP_SPEED_MPS)


@given(SPEEDS, st.lists(SPEEDS, min_size=1, max_size=100))
def test_acceleration_limits_hold_whatever_is_asked(start: float, desired: list[float]) -> None:
    robot = Robot(speed_mps=start)
    for wanted in desired:
        before = (robot.place_m, robot.speed_mps)
        robot.step(wanted, STEP_S)
        assert abs(robot.speed_mps - before[1]) <= ACCELERATION_MPS2 * STEP_S + 1e-9
        assert robot.speed_mps >= 0
        assert 0 <= robot.place_m - before[0] <= TOP_SPEED_MPS * STEP_S + 1e-9
        # towards what is asked, and never past it
        assert abs(robot.speed_mps - wanted) <= abs(before[1] - wanted) + 1e-9


@given(SPEEDS)
def test_a_robot_that_brakes_stands_after_its_stopping_distance(speed: float) -> None:
    robot = Robot(speed_mps=speed)
    while robot.speed_mps > 0:
        robot.step(0.0, STEP_S)
    # a reaction time of no length; the last step may end in the middle
    assert robot.place_m == pytest.approx(stopping_distance_m(speed, 0.0), abs=0.01)


@given(SPEEDS, SPEEDS, st.floats(0, 1), st.floats(0, 1))
def test_stopping_distance_grows_with_speed_and_reaction(
    speed: float, more: float, reaction: float, longer: float
) -> None:
    shorter = stopping_distance_m(min(speed, more), min(reaction, longer))
    assert shorter <= stopping_distance_m(max(speed, more), max(reaction, longer))


def test_stopping_distance_is_the_textbook_one() -> None:
    assert stopping_distance_m(2.0, 0.1) == pytest.approx(2.0 * 0.1 + 4.0 / (2 * ACCELERATION_MPS2))


@given(st.floats(FLOOR * TOP_SPEED_MPS, TOP_SPEED_MPS))
def test_the_constant_speed_takes_the_time_that_was_asked_for(speed: float) -> None:
    seconds = LENGTH_M / speed + speed / (2 * ACCELERATION_MPS2)
    assert constant_speed_mps(LENGTH_M, seconds) == pytest.approx(speed)
    robot, steps = Robot(), 0
    while robot.place_m < LENGTH_M:
        robot.step(speed, STEP_S)
        steps += 1
    assert steps * STEP_S == pytest.approx(seconds, abs=2 * STEP_S)


def test_without_a_message_there_is_no_limit() -> None:
    assert SpeedRule().desired_mps == TOP_SPEED_MPS


def test_zero_means_no_limit() -> None:
    rule = SpeedRule()
    rule.limit(20.0, is_percent=True)
    assert rule.desired_mps == pytest.approx(0.2 * TOP_SPEED_MPS)
    rule.limit(0.0, is_percent=True)
    assert rule.desired_mps == TOP_SPEED_MPS


@given(st.lists(st.tuples(st.floats(0, 150), st.booleans()), min_size=1))
def test_the_last_writer_wins(messages: list[tuple[float, bool]]) -> None:
    rule, fresh = SpeedRule(), SpeedRule()
    for value, is_percent in messages:
        rule.limit(value, is_percent=is_percent)
    value, is_percent = messages[-1]
    fresh.limit(value, is_percent=is_percent)
    assert rule == fresh


def test_an_absolute_limit_is_in_metres_per_second() -> None:
    rule = SpeedRule()
    rule.limit(0.7, is_percent=False)
    assert rule.desired_mps == 0.7
