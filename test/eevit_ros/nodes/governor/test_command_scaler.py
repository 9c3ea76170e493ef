"""Scaling one velocity command; what the node does with commands is in test_speed_governor.py."""

from __future__ import annotations

import math

import pytest
from geometry_msgs.msg import Twist, Vector3
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.nodes.governor.command_scaler import scaled

numbers = st.floats(-1e6, 1e6)
vectors = st.tuples(numbers, numbers, numbers)


def twist(linear: tuple[float, ...], angular: tuple[float, ...]) -> Twist:
    (a, b, c), (d, e, f) = linear, angular
    return Twist(linear=Vector3(x=a, y=b, z=c), angular=Vector3(x=d, y=e, z=f))


def parts(message: Twist) -> list[float]:
    return [getattr(v, axis) for v in (message.linear, message.angular) for axis in 'xyz']


@given(vectors, vectors, st.floats(0, 1))
def test_every_velocity_is_scaled_alike(
    linear: tuple[float, ...], angular: tuple[float, ...], share: float
) -> None:
    found = scaled(twist(linear, angular), share)
    assert found is not None
    assert parts(found) == [share * value for value in (*linear, *angular)]


@pytest.mark.parametrize('place', range(6))
@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_a_command_with_a_value_that_is_not_finite_is_none(place: int, bad: float) -> None:
    values = [0.1] * 6
    values[place] = bad
    assert scaled(twist(tuple(values[:3]), tuple(values[3:])), 0.5) is None
