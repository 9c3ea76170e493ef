"""What tests of the speed governor share: rates to send, limits and reports to read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.msg import SpeedLimit
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float32

from eevit_ros.nodes.dds_profile import without_shared_memory
from harness.ros_process import NodeProcess, RosPeer

COMMAND = (sys.executable, '-m', 'eevit_ros.nodes.governor.node')
# What a Nav2 controller is to it: without one the limit would stay at the floor for seconds.
OBEYED_BY_PEER = ['-p', 'controllers:=[test_peer]']
# A busy machine may hold a message up for a second: no reason for a test to see a fault.
PATIENT = ['-p', 'stale_after_s:=3.0', '-p', 'recover_per_s:=100.0', '-p', 'fresh_messages:=2']
PATIENT += OBEYED_BY_PEER
FIRST, SECOND = 'speed_governor', 'speed_governor_standby'
PAIR = ['-p', f'pair:=[{FIRST}, {SECOND}]', '-r', f'~/speed_scale:={FIRST}/speed_scale']
FLOOR, FULL = 20.0, 100.0

NAV2_QOS = QoSProfile(  # as Nav2's controller server subscribes
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)


def governor(peer: RosPeer, arguments: Sequence[str], log: Path) -> NodeProcess:
    """Start a governor, with the environment that the launch file gives it."""
    return NodeProcess(peer.domain_id, arguments, log, COMMAND, without_shared_memory())


def stranger(peer: RosPeer, name: str) -> Any:
    """Return one more node, which the graph shows under its own name."""
    return rclpy.create_node(name, context=peer.node.context)


class GovernorPeer:
    """A classifier's voice in front of one governor, and a controller's ear behind it."""

    def __init__(self, peer: RosPeer, process: NodeProcess) -> None:
        self.peer, self.process = peer, process
        self.rates = peer.node.create_publisher(Float32, '/adaptive_rate', 10)
        self._ears = contextlib.ExitStack()
        listen = self._ears.enter_context
        self.limits = listen(peer.listening(SpeedLimit, '/speed_limit', NAV2_QOS))
        self.reports = listen(peer.listening(DiagnosticArray, '/diagnostics'))

    def __enter__(self) -> GovernorPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self._ears.close()
        self.peer.node.destroy_publisher(self.rates)

    def send(self, rate: float) -> None:
        """Send one adaptive rate."""
        self.rates.publish(Float32(data=rate))

    def until_limit(
        self, limit: float, each: Callable[[], object] | float | None = None
    ) -> list[Any]:
        """Wait for this limit from now on, sending a rate or calling `each`; return all heard."""
        self.limits.clear()
        self.peer.until(
            lambda: any(abs(message.speed_limit - limit) < 1e-4 for message in self.limits),
            f'the limit {limit}',
            each=self._action(each),
            node=self.process,
        )
        return list(self.limits)

    def until_report(
        self, *texts: str, each: Callable[[], object] | float | None = None
    ) -> dict[str, str]:
        """Wait for a report from now on whose message holds the texts; return its values."""
        self.reports.clear()

        def found() -> DiagnosticArray | None:
            for report in self.reports:
                if all(text in report.status[0].message for text in texts):
                    return report
            return None

        try:
            report = self.peer.until(
                found, f'a report of {texts}', each=self._action(each), node=self.process
            )
        except AssertionError as err:
            heard = {report.status[0].message for report in self.reports}
            raise AssertionError(f'{err}\nreports: {heard}') from None
        assert report is not None and len(report.status) == 1
        return {item.key: item.value for item in report.status[0].values}

    def _action(self, each: Callable[[], object] | float | None) -> Callable[[], object] | None:
        if isinstance(each, float):
            rate = each
            return lambda: self.send(rate)
        return each
