"""Ctrl-C is never lost, wherever it comes."""

from __future__ import annotations

import signal

import pytest

from harness.command import STOPS, stop_held_back


class Cleared:
    """What is raised in a destructor is lost, and so is a stop that comes there."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


@pytest.mark.parametrize('number', STOPS)
def test_a_stop_that_comes_while_something_is_cleared_up_is_not_lost(
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(one) for one in STOPS]
    with pytest.raises(KeyboardInterrupt), stop_held_back():
        Cleared(number)
    assert [signal.getsignal(one) for one in STOPS] == before


def test_without_a_stop_nothing_is_raised() -> None:
    with stop_held_back():
        pass
