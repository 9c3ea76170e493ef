"""Who publishes on a topic: several under one name, and those without a name; and what lasts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nav2_msgs.msg import SpeedLimit as SpeedLimitMessage
from rclpy.qos import QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo
from std_msgs.msg import Float32

from eevit_ros.nodes import topic_watch
from eevit_ros.nodes.governor.inputs import LimitInputs
from eevit_ros.nodes.topic_watch import (
    GHOST_S,
    NAMELESS,
    NAMELESS_S,
    UNKNOWN,
    Lasting,
    TopicWatch,
)
from eevit_ros.speed.limit import WRONG, LimitSettings
from eevit_ros.speed.lowest_limit import LowestLimit
from harness.ros_process import RosPeer

QOS = QoSProfile(depth=1)
FLOAT = 'std_msgs/msg/Float32'


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_two_publishers_of_one_name_are_told_from_a_ghost_by_time(peer: RosPeer) -> None:
    clock = Time()
    watch = TopicWatch(peer.node, '/twins', FLOAT, QOS, clock)
    one, two = (peer.node.create_publisher(Float32, '/twins', 1) for _ in range(2))
    peer.until(lambda: watch.count() == 2, 'both')
    assert watch.names() == ['/test_peer']
    assert watch.twins() == []
    clock.now_s += GHOST_S - 0.1
    assert watch.twins() == []
    clock.now_s += 0.2
    assert watch.twins() == ['/test_peer']
    peer.node.destroy_publisher(two)
    peer.until(lambda: watch.count() == 1, 'one')
    assert watch.twins() == []
    peer.node.destroy_publisher(one)


def test_a_process_that_is_killed_again_and_again_has_no_twin() -> None:
    """Each time its ghost stays for a while beside the next one, under the same name."""
    clock, graph = Time(), Graph()
    watch = TopicWatch(graph, '/x', FLOAT, QOS, clock)
    for number in range(10):
        graph.add('classifier', endpoint=number)
        for _ in range(100):  # 10 s: a ghost leaves after 20 s at most
            clock.now_s += 0.1
            assert watch.twins() == []
        graph.remove(endpoint=number - 1)
    graph.add('classifier', endpoint=99)
    clock.now_s += 0.1
    assert watch.twins() == []
    clock.now_s += GHOST_S
    assert watch.twins() == ['/classifier']


class Graph:
    """Stands for a node whose graph has what takes long, or what no ROS process makes."""

    def __init__(self, *names: str) -> None:
        self._infos: list[TopicEndpointInfo] = []
        for number, name in enumerate(names):
            self.add(name, number)

    def add(self, name: str, endpoint: int) -> None:
        info = TopicEndpointInfo(
            node_name=name, node_namespace='/', topic_type=FLOAT, qos_profile=QOS
        )
        info.endpoint_gid = [endpoint]
        self._infos.append(info)

    def remove(self, endpoint: int) -> None:
        self._infos = [info for info in self._infos if info.endpoint_gid != [endpoint]]

    def get_publishers_info_by_topic(self, topic: str) -> list[TopicEndpointInfo]:
        return self._infos


def test_a_publisher_without_a_name_is_ignored_until_its_name_should_be_known() -> None:
    clock = Time()
    watch = TopicWatch(Graph('camera', UNKNOWN), '/x', 'std_msgs/msg/Float64', QOS, clock)
    assert (watch.names(), watch.count()) == (['/camera'], 1)
    assert NAMELESS not in watch.unheard()
    clock.now_s += NAMELESS_S + 0.1
    assert (watch.names(), watch.count()) == (['/camera', NAMELESS], 2)
    assert f'{NAMELESS} publishes {FLOAT} and not' in watch.unheard()


@pytest.mark.parametrize(
    ('topic', 'kind'), [('/adaptive_rate', Float32), ('/limit', SpeedLimitMessage)]
)
def test_two_of_one_name_are_a_fault_of_the_rate_and_of_the_limit(
    peer: RosPeer, monkeypatch: pytest.MonkeyPatch, topic: str, kind: type
) -> None:
    """Where messages have no numbers nothing else shows two classifiers, or two governors."""
    monkeypatch.setattr(topic_watch, 'GHOST_S', 0.0)
    limit = LowestLimit(LimitSettings(), ['/adaptive_rate'])
    inputs = LimitInputs(
        peer.node, limit, sources=[], output='/limit', partner='', on_message=lambda: None
    )
    publishers = [peer.node.create_publisher(kind, topic, 1)]

    def found() -> bool:
        inputs.check_publishers()
        return limit.at(0.0).reason == WRONG

    watch = TopicWatch(peer.node, topic, '', QOS)
    peer.until(lambda: watch.count() == 1, 'one')
    assert not found()
    publishers.append(peer.node.create_publisher(kind, topic, 1))
    peer.until(found, 'the fault')
    assert limit.at(0.0).text.startswith(f'several publishers on {topic} are named /test_peer')
    for publisher in publishers:
        peer.node.destroy_publisher(publisher)


def test_what_is_the_case_without_a_break_lasts_from_its_time_on() -> None:
    lasting = Lasting(30.0)
    assert lasting.update(['a'], 100.0) == []
    assert lasting.update(['b', 'a'], 129.9) == []
    assert lasting.update(['b', 'a'], 130.0) == ['a']
    assert lasting.update(['b', 'a'], 160.0) == ['a', 'b']


def test_a_break_starts_it_anew() -> None:
    lasting = Lasting(30.0)
    lasting.update(['a'], 100.0)
    lasting.update([], 129.0)
    assert lasting.update(['a'], 131.0) == []
    assert lasting.update(['a'], 161.0) == ['a']


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=50))
def test_it_lasts_exactly_when_every_update_for_that_long_has_found_it(
    updates: list[tuple[float, bool]],
) -> None:
    lasting, now_s, since_s = Lasting(5.0), 0.0, None
    for wait_s, is_there in updates:
        now_s += wait_s
        since_s = (now_s if since_s is None else since_s) if is_there else None
        expected = ['a'] if since_s is not None and now_s - since_s >= 5.0 else []
        assert lasting.update(['a'] if is_there else [], now_s) == expected
