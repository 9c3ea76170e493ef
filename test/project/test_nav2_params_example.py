"""The example for Nav2 wires its speed filter to the governor, and ROS reads it as meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rclpy
import yaml
from rclpy.context import Context

from eevit_ros.parameters.governor import SPECS
from harness.paths import ROOT
from harness.ros_process import RosPeer

EXAMPLE = ROOT / 'config' / 'nav2_params_example.yaml'


def test_the_example_wires_nav2_to_the_governor() -> None:
    example = yaml.safe_load(EXAMPLE.read_text())
    filter_ = example['local_costmap']['local_costmap']['ros__parameters']['speed_filter']
    info = example['costmap_filter_info_server']['ros__parameters']
    mask = example['speed_filter_mask_server']['ros__parameters']
    assert filter_['speed_limit_topic'] == f'/{SPECS["limit_sources"].default[0]}'
    assert filter_['filter_info_topic'] == info['filter_info_topic']
    assert info['mask_topic'] == mask['topic_name']
    assert example['lifecycle_manager_classifier']['ros__parameters']['bond_timeout'] == 0.0


def test_nodes_get_what_the_example_says() -> None:
    context = Context()
    with RosPeer() as peer:  # for a domain and this computer alone
        arguments = ['--ros-args', '--params-file', str(EXAMPLE)]
        rclpy.init(args=arguments, context=context, domain_id=peer.domain_id)
        for name, expected in nodes(yaml.safe_load(EXAMPLE.read_text())):
            namespace, _, base = name.rpartition('/')
            node = rclpy.create_node(
                base,
                namespace=namespace or '/',
                context=context,
                automatically_declare_parameters_from_overrides=True,
            )
            got = {key: node.get_parameter(key).value for key in expected}
            node.destroy_node()
            assert got == expected, name
        rclpy.shutdown(context=context)


def nodes(tree: dict[str, Any], path: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """The full names of the nodes in a parameter file, with their parameters by dotted name."""
    for name, below in tree.items():
        if name == 'ros__parameters':
            yield path, dict(flat(below))
        else:
            yield from nodes(below, f'{path}/{name}')


def flat(tree: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f'{prefix}{name}.')
        else:
            yield prefix + name, value
