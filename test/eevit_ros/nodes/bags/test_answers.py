"""What is said of the images that a player has played."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402

from eevit_ros.nodes.bags.answers import Answers  # noqa: E402
from harness.ros_process import RosPeer  # noqa: E402


def test_images_of_one_stamp_count_each() -> None:
    with RosPeer() as peer:
        answers = Answers(peer.node, 'frame')
        frames = peer.node.create_publisher(DiagnosticArray, 'frame', 10)
        peer.until(frames.get_subscription_count, 'the subscription')
        status = DiagnosticStatus(values=[KeyValue(key='drops', value='1')])
        for _ in range(3):
            frames.publish(DiagnosticArray(status=[status]))
        peer.until(lambda: answers.stamps.total() == 3, 'three answers')
        said, warning = answers.outcome(Counter({0: 6}))
    assert said.startswith('3 answered on /frame, 1 dropped')
    assert warning.startswith('2 of 6 images')


def test_a_classifier_that_answers_nothing_is_told_of_and_nobody_is_not() -> None:
    with RosPeer() as peer:
        answers = Answers(peer.node, 'frame')
        assert answers.outcome(Counter({0: 6})) == ('', '')
        frames = peer.node.create_publisher(DiagnosticArray, 'frame', 10)
        peer.until(frames.get_subscription_count, 'the subscription')
        said, warning = answers.outcome(Counter({0: 6}))
    assert said.startswith('0 answered on /frame, 0 dropped')
    assert warning.startswith('6 of 6 images')
