"""Each sign of a bad camera: blank pictures, old ones, repeated ones, lost ones."""

from __future__ import annotations

import random
from array import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.camera_health import (
    CameraHealth,
    CameraRate,
    FrozenCamera,
)
from eevit_ros.perception.perception import PerceptionSettings, contrast

LIMIT = PerceptionSettings().blind_below_contrast
COLOURS = [(0, 0, 0), (40, 40, 40), (60, 5, 5), (255, 255, 255)]


@pytest.mark.parametrize('colour', COLOURS)
@pytest.mark.parametrize('sigma', [0, 2, 5, 10])
@pytest.mark.parametrize('size', [(480, 640), (1080, 1920)])
def test_a_covered_lens_with_noise_is_below_the_limit(
    colour: tuple[int, int, int], sigma: float, size: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    picture = colour + sigma * rng.standard_normal((*size, 3), np.float32)
    assert contrast(np.clip(picture, 0, 255).astype(np.uint8)) < LIMIT / 2


@pytest.mark.parametrize('size', [(24, 32), (480, 640), (1080, 1920), (7, 2000)])
def test_a_lit_corner_of_a_64th_of_the_picture_is_above_it(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    image[-(size[0] // 8) or -1 :, -(size[1] // 8) :] = 64
    assert contrast(image) > LIMIT


def test_a_picture_of_two_halves_has_the_contrast_of_its_brightness() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, 320:] = 100
    assert contrast(image) == pytest.approx(50)
    assert contrast(cv2.flip(image, 1)) == pytest.approx(50)
    image[..., 1:] = 0
    assert contrast(image) == pytest.approx(15, abs=0.5)  # red is dark


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (3, 3), (2000, 1)])
def test_images_of_few_pixels_have_a_contrast_too(size: tuple[int, int]) -> None:
    assert contrast(np.full((*size, 3), 77, np.uint8)) == pytest.approx(0, abs=1e-3)


def test_rows_may_be_padded() -> None:
    padded = np.zeros((48, 80, 3), np.uint8)
    padded[:, 32:64] = 100
    padded[:, 64:] = 255  # not of the picture
    assert contrast(padded[:, :64]) == pytest.approx(50)


LIMITS = st.integers(1, 20)


def frame(i: int) -> array[int]:
    return array('B', i.to_bytes(4, 'little') * 10)


@given(LIMITS, st.integers(1, 40))
def test_pictures_that_differ_never_freeze(limit: int, count: int) -> None:
    camera = FrozenCamera(limit)
    assert not any(camera.update(frame(i)) for i in range(1, count + 1))


@given(LIMITS)
def test_it_freezes_at_the_limit_and_thaws_with_the_next_new_picture(limit: int) -> None:
    camera = FrozenCamera(limit)
    seen = [camera.update(frame(0)) for _ in range(limit + 3)]
    assert seen == [False] * limit + [True] * 3
    assert camera.repeats == limit + 2
    assert not camera.update(frame(10**6))
    assert camera.repeats == 0


def test_frames_delivered_twice_are_not_a_frozen_camera() -> None:
    camera = FrozenCamera(2)
    assert not any(camera.update(frame(i // 2)) for i in range(100))


def test_empty_data_are_no_picture_to_repeat() -> None:
    camera = FrozenCamera(1)
    assert not any(camera.update(array('B')) for _ in range(1, 10))


START_NS = 1_800_000_000_000_000_000


def watch(arrives: list[bool], hz: float, jitter: float = 0.0, speed: float = 1.0) -> CameraRate:
    """Return what is seen of a camera some of whose frames arrive; the bag is played at `speed`."""
    rate, chance = CameraRate(), random.Random(7)
    for i, there in enumerate(arrives):
        if there:
            second = (i + chance.uniform(-jitter, jitter)) / hz
            rate.update(START_NS + int(second * 1e9), i / hz / speed)
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
        rate.update(START_NS + int(second * 1e9), second)
    assert rate.gap_share() < 0.3


@pytest.mark.parametrize('clock_hz', [10, 20, 40, 50, 100, 1000])
@pytest.mark.parametrize('hz', [15.0, 30.0, 60.0])
def test_stamps_of_a_slow_clock_are_no_loss(hz: float, clock_hz: int) -> None:
    chance, rate = random.Random(7), CameraRate()
    for i in range(200):
        now_s = i / hz
        rate.update(START_NS + int(now_s * clock_hz) * 10**9 // clock_hz, now_s)
    assert rate.gap_share() < 0.3
    for i in range(200, 400):  # with jitter on the way
        now_s = i / hz
        late_s = now_s + chance.uniform(0, 0.1) / hz
        rate.update(START_NS + int(now_s * clock_hz) * 10**9 // clock_hz, late_s)
    assert rate.gap_share() < 0.3


def test_a_driver_that_catches_up_in_bursts_is_no_loss() -> None:
    chance, rate, now_s = random.Random(7), CameraRate(), 0.0
    for i in range(100):
        now_s += chance.uniform(0.5, 1.0) if i % 8 == 0 else chance.uniform(0.0005, 0.004)
        rate.update(START_NS + int(now_s * 1e9), now_s)
    assert rate.gap_share() == 0.0


def test_stamps_that_do_not_tell() -> None:
    few = watch([True] * 10, 30.0)
    assert few.camera_hz() is None
    assert few.gap_share() == 0.0
    unstamped = CameraRate()
    for i in range(100):
        unstamped.update(0, i / 30)
    assert unstamped.camera_hz() is None
    assert unstamped.received_hz(99 / 30) == pytest.approx(30.0, rel=0.01)


def test_the_rate_sinks_while_nothing_comes() -> None:
    rate = watch([True] * 60, 30.0)
    assert rate.received_hz(62.0) < 1.1
    assert CameraRate().received_hz(5.0) == 0.0


def test_the_health_of_a_camera_counts_its_frames_and_tells_when_it_froze() -> None:
    camera = CameraHealth(2, 5.0)
    assert (camera.received, camera.received_s, camera.frozen) == (0, 5.0, False)
    for index in range(20):
        camera.update(START_NS + index * 50_000_000, frame(index), 6.0 + index / 20)
    assert (camera.received, camera.received_s, camera.repeats) == (20, 6.95, 0)
    assert camera.rate.received_hz(6.95) == pytest.approx(20.0)
    for index in range(2):
        camera.update(START_NS + 10**9 + index, frame(19), 7.0)
    assert (camera.frozen, camera.repeats, camera.stamps.fault) == (True, 2, '')
