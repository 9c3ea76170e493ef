"""Table of topics and example policy: what the running nodes have, and nothing beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from eevit_ros.parameters.topics import CLASSIFIER, GOVERNOR, Topic
from harness.governor_peer import COMMAND as GOVERNOR_COMMAND
from harness.governor_peer import FIRST, PAIR, SECOND
from harness.paths import ROOT
from harness.ros_process import NodeProcess, RosPeer
from harness.tiny_model import write_tiny_model

POLICY = ROOT / 'config' / 'sros2' / 'policy.xml'
# What one run does not show: the other transport, and the service that Humble lacks.
SOMETIMES = {
    'subscribe': {'/camera/image_raw/compressed'},
    'publish': set(),
    'reply': {
        f'/{node}/get_type_description'
        for node in ('classifier', 'speed_governor', 'speed_governor_standby')
    },
}
RATE = ['-r', 'adaptive_rate:=/classifier/adaptive_rate']
# Element, where it may stand, and the attributes that it must have: of sros2's policy.xsd.
SCHEMA: dict[str, tuple[str, set[str]]] = {
    'enclaves': ('policy', set()),
    'enclave': ('enclaves', {'path'}),
    'profiles': ('enclave', set()),
    'profile': ('profiles', {'ns', 'node'}),
    'topics': ('profile', set()),
    'services': ('profile', set()),
    'topic': ('topics', set()),
    'service': ('services', set()),
}
QUALIFIERS = {'topics': {'publish', 'subscribe'}, 'services': {'reply', 'request'}}


def allowed(node: str) -> dict[str, set[str]]:
    """The full names that the policy gives a node, by what it may do, as sros2 expands them."""
    found: dict[str, set[str]] = {what: set() for what in SOMETIMES}
    profile = ElementTree.parse(POLICY).find(f'.//profile[@node="{node}"]')
    assert profile is not None
    namespace = profile.attrib['ns'].rstrip('/')
    for group in profile:
        for what in group.attrib:
            for entry in group:
                name = entry.text or ''
                if name.startswith('~'):
                    name = f'{namespace}/{node}{name[1:]}'
                elif not name.startswith('/'):
                    name = f'{namespace}/{name}'
                found[what].add(name)
    return found


def in_the_graph(peer: RosPeer, node: str) -> dict[str, set[str]]:
    """The full names that a running node has."""
    asks: dict[str, Callable[..., list[tuple[str, list[str]]]]] = {
        'subscribe': peer.node.get_subscriber_names_and_types_by_node,
        'publish': peer.node.get_publisher_names_and_types_by_node,
        'reply': peer.node.get_service_names_and_types_by_node,
    }
    return {what: {name for name, _ in ask(node, '/')} for what, ask in asks.items()}


def offered(peer: RosPeer, topic: Topic) -> tuple[str, bool, bool]:
    """Type of a topic as its node publishes it, and whether best effort and latched."""
    (info,) = (
        info
        for info in peer.node.get_publishers_info_by_topic(topic.full_name)
        if info.node_name == topic.node
    )
    qos = info.qos_profile
    return (
        info.topic_type,
        qos.reliability == ReliabilityPolicy.BEST_EFFORT,
        qos.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )


@pytest.mark.parametrize('node', ['classifier', FIRST, SECOND])
def test_policy_and_table_say_what_the_running_node_has(node: str, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / 'tiny.onnx')
    starts = {
        'classifier': (['-r', 'image:=/camera/image_raw', '-p', f'model:={model}'], ()),
        FIRST: ([*PAIR, *RATE], (GOVERNOR_COMMAND,)),
        SECOND: ([*PAIR, *RATE, '-r', f'__node:={SECOND}'], (GOVERNOR_COMMAND,)),
    }
    arguments, command = starts[node]
    policy = allowed(node)
    complete = {what: names - SOMETIMES[what] for what, names in policy.items()}
    with RosPeer() as peer, NodeProcess(peer.domain_id, arguments, tmp_path / 'log', *command) as p:

        def is_complete() -> bool:
            if (node, '/') not in peer.node.get_node_names_and_namespaces():
                return False
            graph = in_the_graph(peer, node)
            return all(complete[what] <= graph[what] for what in complete)

        peer.until(is_complete, 'all that the policy allows', node=p)
        graph = in_the_graph(peer, node)
        # The standby publishes one of them by the first's name.
        topics = {'classifier': CLASSIFIER, FIRST: GOVERNOR}.get(node, ())
        for topic in topics:
            if not (topic.subscribed or topic.optional):
                assert offered(peer, topic) == (topic.types[0], topic.best_effort, topic.latched)
    assert {what: graph[what] - policy[what] for what in graph} == {what: set() for what in graph}


def test_the_policy_has_the_structure_that_sros2_asks_for() -> None:
    root = ElementTree.parse(POLICY).getroot()
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    parents = {child: parent for parent in root.iter() for child in parent}
    for element, parent in parents.items():
        where, attributes = SCHEMA[element.tag]
        assert parent.tag == where
        assert (
            attributes <= element.attrib.keys() <= attributes | QUALIFIERS.get(element.tag, set())
        )
        for qualifier in element.attrib.keys() & QUALIFIERS.get(element.tag, set()):
            assert element.attrib[qualifier] == 'ALLOW'


def test_no_permission_is_a_pattern() -> None:
    for entry in ElementTree.parse(POLICY).iter():
        if entry.tag in ('topic', 'service'):
            assert not set(entry.text or '*') & set('*?[] ')
