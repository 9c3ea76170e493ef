"""A process that stalled distrusts what arrives right after, and nothing else."""

from __future__ import annotations

import pytest

from eevit_ros.perception.process_stall import SETTLE_S, ProcessStall


def test_a_process_that_runs_trusts_what_arrives() -> None:
    told: list[float] = []
    stall = ProcessStall(0.3, 5.0, told.append)
    assert not any(stall.update(5.0 + 0.25 * tick) for tick in range(20))
    assert told == []


def test_what_arrives_right_after_a_pause_may_have_waited() -> None:
    told: list[float] = []
    stall = ProcessStall(0.3, 5.0, told.append)
    assert stall.update(5.4)
    assert stall.update(5.4 + 0.5 * SETTLE_S)
    assert stall.update(5.4 + 0.9 * SETTLE_S)
    assert not stall.update(5.4 + 1.1 * SETTLE_S)
    assert stall.update(9.0)
    assert len(told) == 2  # once for each
    assert told[0] == pytest.approx(0.4)
