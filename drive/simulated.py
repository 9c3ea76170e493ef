"""A drive in no time: `Perception` and the governor's limit on a simulated clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from drive.journey import Answer, Frame, Journey
from drive.robot import FLOOR, TOP_SPEED_MPS
from eevit_ros.perception.perception import Observation, Perception
from eevit_ros.replay.running.simulated_governor import SimulatedGovernor, seconds
from eevit_ros.speed.limit import LimitSettings

AT_REST_NS = 10_000_000_000  # how long both nodes have been at rest when the drive starts


def drive_in_no_time(
    journey: Journey, perception: Perception, observe: Callable[[Frame], Observation], age_s: float
) -> None:
    """Drive to the end as `real_nodes.drive_in_real_time` does, but without the nodes.

    Args:
        journey: At its start.
        perception: Of a robot at rest.
        observe: Returns what `perception` sees in a frame, now or from answers that were kept.
        age_s: How late every answer comes.
    """
    limit_percent = 100.0 * FLOOR

    def on_tick(time_ns: int, rate: float, percent: float) -> None:
        nonlocal limit_percent
        limit_percent = percent

    governor = SimulatedGovernor(perception.rate_at, LimitSettings(floor=FLOOR), on_tick)
    governor.until(0)
    governor.until(AT_REST_NS)
    age_ns, desired_mps = round(age_s * 1e9), 0.0
    waiting: deque[tuple[int, Frame, Observation]] = deque()
    while not journey.is_over:
        now_ns = AT_REST_NS + round(journey.time_s * 1e9)
        while waiting and waiting[0][0] + age_ns <= now_ns:
            stamp_ns, frame, seen = waiting.popleft()
            come_ns = stamp_ns + age_ns
            governor.until(come_ns)
            record = perception.record(
                seen, stamp_ns=stamp_ns, now_ns=come_ns, now_s=seconds(come_ns), doubtful=False,
                drops=0,
            )  # fmt: skip
            # The governor publishes a fall at once, a rise with its timer.
            limit_percent = min(limit_percent, governor.update(record.adaptive_rate, come_ns))
            result = seen.result
            journey.answer(frame, Answer(result.class_name, result.depth, result.confidence, age_s))
        governor.until(now_ns)
        if (due := journey.frame()) is not None:
            waiting.append((now_ns, due, observe(due)))
        if journey.is_control_due:
            desired_mps = TOP_SPEED_MPS * limit_percent / 100
        journey.step(desired_mps)
