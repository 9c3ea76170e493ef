"""One governor behind several classifiers: the lowest of their rates, and each must come."""

from __future__ import annotations

from pathlib import Path

import pytest
from std_msgs.msg import Float32

from harness.governor_peer import FLOOR, FULL, PATIENT, GovernorPeer, governor
from harness.ros_process import RosPeer


def test_the_lowest_of_several_rates_counts_and_none_may_be_missing(
    peer: RosPeer, tmp_path: Path
) -> None:
    given = ['-p', 'rate_sources:=[/front/rate, rear_rate]', *PATIENT]
    with governor(peer, given, tmp_path / 'log') as process, GovernorPeer(peer, process) as node:
        topics = ('/front/rate', '/rear_rate')
        front, rear = (peer.node.create_publisher(Float32, topic, 10) for topic in topics)

        def send(*rates: float) -> None:
            for publisher, rate in zip((front, rear), rates, strict=False):
                publisher.publish(Float32(data=rate))

        node.until_limit(FLOOR, lambda: send(1.0))
        node.until_report('/rear_rate: no adaptive rate received yet', each=lambda: send(1.0))
        node.until_limit(FULL, lambda: send(1.0, 1.0))
        node.until_limit(50.0, lambda: send(0.5, 1.0))
        node.until_limit(30.0, lambda: send(0.5, 0.3))
        for _ in range(2):  # one may have been on its way already
            values = node.until_report('deep', each=lambda: send(0.5, 0.3))
        assert float(values['adaptive_rate']) == pytest.approx(0.3)
        assert values['input_topic'] == ', '.join(topics)
        assert values['input_publishers'] == '1, 1'
        node.until_limit(FLOOR, lambda: send(1.0))  # the rear one has become silent
        node.until_report('stale', '/rear_rate: no adaptive rate for', each=lambda: send(1.0))
        node.until_limit(FULL, lambda: send(1.0, 1.0))
        assert process.stop() == 0
