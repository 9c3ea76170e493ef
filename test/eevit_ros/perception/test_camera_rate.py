from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.camera_rate import CameraRate

START_NS = 1_800_000_000_000_000_000


def watch(arrives: list[bool], hz: float, jitter: float = 0.0, speed: float = 1.0) -> CameraRate:
    """Return what is seen of a camera some of whose frames arrive; the bag is played at `speed`."""
    rate, chance = CameraRate(), random.Random(7)
    for i, there in enumerate(arrives):
        if there:
            second = (i + chance.uniform(-jitter, jitter)) / hz
            rate.see(START_NS + int(second * 1e9), i / hz / speed)
    return rate


@given(st.floats(1, 120), st.floats(0.1, 10))
def test_a_camera_without_loss_has_no_gaps_at_any_playing_speed(hz: float, speed: float) -> None:
    rate = watch([True] * 100, hz, speed=speed)
    assert rate.gap_share() == 0.0
    assert rate.camera_hz() == pytest.approx(hz, rel=0.01)
    assert rate.received_hz(99 / hz / speed) == pytest.approx(hz * speed, rel=0.01)


@given(st.integers(0, 1000))
def test_heavy_random_loss_shows_as_gaps(seed: int) -> None:
    chance = random.Random(seed)
    rate = watch([chance.random() < 0.4 for _ in range(400)], 30.0)
    assert rate.gap_share() > 0.3
    assert rate.camera_hz() == pytest.approx(30.0, rel=0.01)


@given(st.integers(0, 1000))
def test_loss_shows_despite_a_little_jitter(seed: int) -> None:
    chance = random.Random(seed)
    rate = watch([chance.random() < 0.4 for _ in range(400)], 30.0, jitter=0.02)
    assert rate.gap_share() > 0.3
    assert rate.camera_hz() == pytest.approx(30.0, rel=0.05)


@given(st.floats(0.0, 0.5))
def test_jitter_is_no_loss(jitter: float) -> None:
    assert watch([True] * 200, 30.0, jitter=jitter).gap_share() < 0.3


@given(st.integers(0, 1000), st.floats(0.001, 0.1))
def test_stamps_at_receipt_on_a_busy_host_are_no_loss(seed: int, delay_s: float) -> None:
    chance, rate = random.Random(seed), CameraRate()
    for second in sorted(i / 30 + chance.expovariate(1 / delay_s) for i in range(200)):
        rate.see(START_NS + int(second * 1e9), second)
    assert rate.gap_share() < 0.3


def test_a_driver_that_catches_up_in_bursts_is_no_loss() -> None:
    chance, rate, now_s = random.Random(7), CameraRate(), 0.0
    for i in range(100):
        now_s += chance.uniform(0.5, 1.0) if i % 8 == 0 else chance.uniform(0.0005, 0.004)
        rate.see(START_NS + int(now_s * 1e9), now_s)
    assert rate.gap_share() == 0.0


def test_stamps_that_do_not_tell() -> None:
    few = watch([True] * 10, 30.0)
    assert few.camera_hz() is None
    assert few.gap_share() == 0.0
    unstamped = CameraRate()
    for i in range(100):
        unstamped.see(0, i / 30)
    assert unstamped.camera_hz() is None
    assert unstamped.received_hz(99 / 30) == pytest.approx(30.0, rel=0.01)


def test_the_rate_sinks_while_nothing_comes() -> None:
    rate = watch([True] * 60, 30.0)
    assert rate.received_hz(62.0) < 1.1
    assert CameraRate().received_hz(5.0) == 0.0
