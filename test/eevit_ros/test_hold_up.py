"""A process that was held up distrusts what arrives at once, and nothing else."""

from __future__ import annotations

from eevit_ros.hold_up import SETTLE_S, HoldUp


def test_a_process_that_runs_trusts_what_arrives() -> None:
    hold_up = HoldUp(longest_s=0.3, now_s=5.0)
    assert not any(hold_up.see(5.0 + 0.25 * tick) for tick in range(20))


def test_what_arrives_right_after_a_pause_may_have_waited() -> None:
    hold_up = HoldUp(longest_s=0.3, now_s=5.0)
    assert hold_up.see(5.4)
    assert hold_up.see(5.4 + 0.5 * SETTLE_S)
    assert hold_up.see(5.4 + 0.9 * SETTLE_S)
    assert not hold_up.see(5.4 + 1.1 * SETTLE_S)
    assert hold_up.see(9.0)
