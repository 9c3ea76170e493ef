"""What the stamps of a camera tell, and when they tell nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.perception.camera_health import CameraHealth
from eevit_ros.perception.stamps import AHEAD_MS, OLDEST_MS, frame_age_ms, mismatch

MS = 1_000_000
SECOND_NS = 1_000_000_000
NOW = 1_800_000_000_000_000_000


@given(st.integers(0, round(OLDEST_MS * MS)))
def test_an_age_within_ten_seconds_is_an_age(age_ns: int) -> None:
    assert frame_age_ms(NOW - age_ns, NOW) == pytest.approx(age_ns / MS)


@given(st.integers(0, round(AHEAD_MS * MS)))
def test_a_stamp_a_little_ahead_is_of_now(ahead_ns: int) -> None:
    assert frame_age_ms(NOW + ahead_ns, NOW) == 0.0


@given(st.one_of(st.integers(50 * MS + 1, 2**62), st.integers(-(2**62), -10_000 * MS - 1)))
def test_the_future_and_the_long_past_are_none(offset_ns: int) -> None:
    assert frame_age_ms(NOW + offset_ns, NOW) is None


def test_no_stamp_is_none_even_where_the_clock_starts_at_zero() -> None:
    assert frame_age_ms(0, 0) is None
    assert frame_age_ms(0, 5 * MS) is None


@pytest.mark.parametrize(
    ('behind_s', 'said'),
    [(-0.051, '0.051 s ahead'), (300.0, '300.000 s behind'), (1.7e9, '54 years behind')],
)
def test_a_mismatch_is_told_with_its_size(behind_s: float, said: str) -> None:
    assert said in mismatch(behind_s)


class Camera:
    """A camera that stamps the frame of a moment, seconds, by `clock`; pictures differ."""

    def __init__(self, clock: Callable[[float], int], hz: float = 30.0, same: int = 1) -> None:
        self.health = CameraHealth(10, 0.0)
        self._clock, self._hz, self._same = clock, hz, same
        self._count = 0

    def run(self, frames: int) -> str:
        """Take frames; return what is wrong with the stamps by then."""
        for _ in range(frames):
            now_s = self._count / self._hz
            picture = (self._count // self._same).to_bytes(4, 'big')
            self.health.update(self._clock(now_s), picture, now_s)
            self._count += 1
        return self.health.stamps.fault


def of_period(period_ns: int, start_ns: int = NOW) -> Callable[[float], int]:
    """A clock that moves on every `period_ns`."""
    return lambda now_s: start_ns + int(now_s * SECOND_NS) // period_ns * period_ns


@pytest.mark.parametrize('hz', [2.0, 5.0, 30.0, 240.0])
def test_whole_seconds_are_useless_and_no_frozen_camera(hz: float) -> None:
    camera = Camera(of_period(SECOND_NS), hz)
    assert 'whole seconds' in camera.run(round(5 * hz))
    assert all(camera.run(1) for _ in range(500))
    assert not camera.health.frozen


def test_a_stamp_that_is_never_set_is_told_at_once() -> None:
    assert 'never set' in Camera(lambda now_s: 0).run(1)


@pytest.mark.parametrize('stamp_ns', [NOW + 1, 12_345])
def test_a_constant_stamp_is_useless_and_no_frozen_camera(stamp_ns: int) -> None:
    camera = Camera(lambda now_s: stamp_ns)
    assert 'stand still' in camera.run(60)
    assert not camera.health.frozen


def test_stamps_that_go_backwards_again_and_again_are_useless() -> None:
    turned = Camera(lambda now_s: NOW - int(now_s * SECOND_NS))
    assert 'backwards' in turned.run(10)
    two = Camera(lambda now_s: NOW + int(now_s * SECOND_NS) - int(now_s * 30) % 2 * 80 * MS)
    assert 'backwards' in two.run(20)


def test_one_jump_back_is_not() -> None:
    camera = Camera(lambda now_s: NOW + int((now_s if now_s < 2 else now_s - 2) * SECOND_NS))
    assert not any(camera.run(1) for _ in range(120))


@pytest.mark.parametrize('clock_hz', [10, 40, 1000])
@pytest.mark.parametrize('hz', [5.0, 30.0, 60.0])
def test_a_clock_of_a_few_hertz_serves(clock_hz: int, hz: float) -> None:
    camera = Camera(of_period(SECOND_NS // clock_hz), hz)
    assert not any(camera.run(1) for _ in range(200))


def test_a_camera_of_one_hertz_may_stamp_whole_seconds() -> None:
    assert not Camera(of_period(SECOND_NS), 1.0).run(100)


def test_frames_delivered_again_and_again_keep_their_stamp() -> None:
    """As of a relay that repeats a slow camera's last picture."""
    camera = Camera(of_period(SECOND_NS, NOW + 7), 10.0, same=10)
    assert not any(camera.run(1) for _ in range(100))


def test_good_stamps_are_believed_again() -> None:
    stamps = {'coarse': True}
    camera = Camera(
        lambda now_s: NOW + int((int(now_s) if stamps['coarse'] else now_s) * SECOND_NS)
    )
    assert camera.run(60)
    stamps['coarse'] = False
    assert not camera.run(130)
