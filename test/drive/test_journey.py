from __future__ import annotations

from collections.abc import Callable

import pytest

from drive.journey import CAMERA_STEPS, STEP_S, Answer, Frame, Journey, drive_at_constant_speed
from drive.robot import FLOOR, TOP_SPEED_MPS, constant_speed_mps, stopping_distance_m
from drive.scene.world import SIGHT_M, Sign, World, make_world


def label(picture: int) -> str:
    return f'class {picture}'


def short_world() -> World:
    signs = (Sign(4.0, 0, 'full light'), Sign(8.0, 1, 'dark'))
    return World(0, ('full light', 'dark'), signs, (2, 3), length_m=9.0)


def knows(frame: Frame) -> Answer:
    return Answer(label(frame.view.picture), 0.5, 0.9, 0.02)


def drive(speed: float, ask: Callable[[Frame], Answer]) -> Journey:
    journey = Journey(short_world(), label)
    drive_at_constant_speed(journey, speed, ask)
    return journey


@pytest.mark.parametrize('speed', [FLOOR * TOP_SPEED_MPS, 1.0])
def test_who_knows_every_sign_misses_none_that_it_can_stop_for(speed: float) -> None:
    journey = drive(speed, knows)
    assert journey.is_over
    assert all(sign['read_m'] is not None for sign in journey.signs())


def test_who_knows_none_misses_all() -> None:
    journey = drive(1.0, lambda frame: Answer('nothing', 1.0, 0.1, 0.02))
    assert [sign['read_m'] for sign in journey.signs()] == [None, None]


def test_signs_are_asked_about_while_they_are_visible_and_open() -> None:
    asked: list[Frame] = []

    def ask(frame: Frame) -> Answer:
        asked.append(frame)
        return Answer('nothing', 1.0, 0.1, 0.02)

    journey = drive(1.0, ask)
    assert {frame.view.sign for frame in asked} == {0, 1}
    reach = stopping_distance_m(1.0, 0.02 + CAMERA_STEPS * STEP_S)
    for frame in asked:
        assert reach - 0.05 < frame.view.distance_m <= SIGHT_M
    assert len(asked) == len(journey.answers)


def test_after_two_right_answers_a_sign_costs_no_more_frames() -> None:
    asked: list[Frame] = []

    def ask(frame: Frame) -> Answer:
        asked.append(frame)
        return knows(frame)

    drive(1.0, ask)
    assert len(asked) == 4


def test_late_answers_arrive_late() -> None:
    slow = drive(1.0, lambda frame: Answer(label(frame.view.picture), 0.5, 0.9, 0.4))
    quick = drive(1.0, knows)
    for late, early in zip(slow.signs(), quick.signs(), strict=True):
        assert late['read_m'] < early['read_m']


def test_too_late_answers_miss() -> None:
    journey = drive(1.0, lambda frame: Answer(label(frame.view.picture), 0.5, 0.9, 3.0))
    assert [sign['read_m'] for sign in journey.signs()] == [None, None]


@pytest.mark.parametrize('speed', [0.4, 1.1, 1.9])
def test_the_same_time_is_the_same_time(speed: float) -> None:
    first = Journey(make_world(0), label)
    drive_at_constant_speed(first, speed, knows)
    again = Journey(make_world(0), label)
    length = first.world.length_m
    drive_at_constant_speed(again, constant_speed_mps(length, first.time_s), knows)
    assert again.time_s == pytest.approx(first.time_s, abs=3 * STEP_S)


def test_frames_come_at_15_hz() -> None:
    journey = Journey(short_world(), label)
    times = []
    for _ in range(60):
        if (frame := journey.frame()) is not None:
            times.append(frame.time_s)
        journey.step(1.0)
    assert times == pytest.approx([n / 15 for n in range(15)])
