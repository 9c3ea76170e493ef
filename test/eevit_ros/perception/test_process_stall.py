"""A process that was held up distrusts what arrives at once, and nothing else."""

from __future__ import annotations

import pytest

from eevit_ros.perception.process_stall import SETTLE_S, HoldUp


def test_a_process_that_runs_trusts_what_arrives() -> None:
    told: list[float] = []
    hold_up = HoldUp(0.3, 5.0, told.append)
    assert not any(hold_up.see(5.0 + 0.25 * tick) for tick in range(20))
    assert told == []


def test_what_arrives_right_after_a_pause_may_have_waited() -> None:
    told: list[float] = []
    hold_up = HoldUp(0.3, 5.0, told.append)
    assert hold_up.see(5.4)
    assert hold_up.see(5.4 + 0.5 * SETTLE_S)
    assert hold_up.see(5.4 + 0.9 * SETTLE_S)
    assert not hold_up.see(5.4 + 1.1 * SETTLE_S)
    assert hold_up.see(9.0)
    assert len(told) == 2  # once for each
    assert told[0] == pytest.approx(0.4)
