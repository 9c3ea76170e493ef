from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.robot import stopping_distance_m
from drive.scene.signs import SignLog
from drive.scene.world import Sign

INTERVAL_S = 1 / 15
AGE_S = 0.02
PLACE_M = 10.0


def one_sign() -> SignLog:
    return SignLog([Sign(PLACE_M, 0, 'dark')], INTERVAL_S)


def read_m(log: SignLog) -> float | None:
    return log.outcomes()[0].read_m


@given(st.lists(st.booleans(), max_size=30))
def test_a_sign_is_read_by_two_right_answers_in_a_row_and_by_nothing_else(
    answers: list[bool],
) -> None:
    log = one_sign()
    log.drive(8.0, 0.5)
    for is_right in answers:
        log.answer(0, is_right, AGE_S)
    pairs = zip(answers, answers[1:], strict=False)
    assert (read_m(log) is not None) == any(a and b for a, b in pairs)


@given(st.floats(0, 2), st.floats(0.01, 3))
def test_answers_count_only_before_the_stopping_distance(speed: float, distance: float) -> None:
    log = one_sign()
    log.answer(None, False, AGE_S)  # from here on the age is known
    log.drive(PLACE_M - distance, speed)
    log.answer(0, True, AGE_S)
    log.answer(0, True, AGE_S)
    in_time = distance > stopping_distance_m(speed, AGE_S + INTERVAL_S)
    assert (read_m(log) is not None) == in_time
    assert log.is_decided(0)


def test_one_right_answer_before_and_one_after_do_not_make_two() -> None:
    log = one_sign()
    log.drive(8.0, 0.4)
    log.answer(0, True, AGE_S)
    log.drive(9.99, 0.4)
    log.answer(0, True, AGE_S)
    assert read_m(log) is None


def test_braking_afterwards_does_not_open_a_missed_sign_again() -> None:
    log = one_sign()
    log.drive(9.0, 2.0)
    log.drive(9.1, 0.1)
    log.answer(0, True, AGE_S)
    log.answer(0, True, AGE_S)
    assert read_m(log) is None


def test_old_answers_lengthen_the_reaction() -> None:
    speed, distance = 1.0, 0.8
    assert stopping_distance_m(speed, AGE_S + INTERVAL_S) < distance
    assert stopping_distance_m(speed, 0.5 + INTERVAL_S) > distance
    for age_s, expected in ((AGE_S, True), (0.5, False)):
        log = one_sign()
        log.answer(None, False, age_s)
        log.drive(PLACE_M - distance, speed)
        log.answer(0, True, age_s)
        log.answer(0, True, age_s)
        assert (read_m(log) is not None) == expected


def test_scenery_between_two_answers_does_not_break_the_row_but_a_wrong_one_does() -> None:
    log = one_sign()
    log.drive(8.0, 0.4)
    for sign, is_right in ((0, True), (None, False), (0, True)):
        log.answer(sign, is_right, AGE_S)
    assert read_m(log) == pytest.approx(2.0)
    assert log.outcomes()[0].answers == 2


def test_an_answer_that_comes_late_counts_from_where_the_robot_then_is() -> None:
    log = one_sign()
    log.drive(8.0, 0.4)
    log.answer(0, True, AGE_S)
    log.drive(8.5, 0.4)
    log.answer(0, True, AGE_S)
    assert read_m(log) == pytest.approx(1.5)
