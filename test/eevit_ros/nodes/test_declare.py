"""What `ros2 param describe` says of a parameter, and what is made of those that are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rcl_interfaces.msg import ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter

from eevit_ros.nodes.classifier.node import declare_parameters, read_parameters
from eevit_ros.nodes.declare import descriptor, read_settings, take_whole_numbers
from eevit_ros.parameters import classifier, governor
from eevit_ros.parameters.cameras import camera_settings
from harness.ros_process import RosPeer


@pytest.mark.parametrize('name', classifier.SPECS)
def test_descriptors_explain_and_bound(name: str) -> None:
    spec, described = classifier.SPECS[name], descriptor(classifier.SPECS[name])
    assert described.description.startswith(spec.description)
    assert ('Fixed while configured' in described.description) == (not spec.live)
    ranges = [*described.integer_range, *described.floating_point_range]
    assert [(r.from_value, r.to_value) for r in ranges] == (
        [] if spec.low is None else [(spec.low, spec.high)]
    )
    assert described.type == ParameterType.PARAMETER_NOT_SET  # rclpy takes it from the default


@pytest.mark.parametrize('name', governor.SPECS)
def test_descriptors_say_that_a_parameter_is_read_at_start(name: str) -> None:
    described = descriptor(governor.SPECS[name], read_only=True)
    assert described.read_only
    assert described.description == f'{governor.SPECS[name].description} Read at start.'


@pytest.fixture(params=['command line', 'file'])
def given(
    request: pytest.FixtureRequest, peer: RosPeer, tmp_path: Path
) -> Callable[[str, str], Node]:
    """Return a function that makes a node which was given a parameter."""

    def make(name: str, value: str) -> Node:
        arguments = ['-p', f'{name}:={value}']
        if request.param == 'file':
            file = tmp_path / 'params.yaml'
            file.write_text(f'/**: {{ros__parameters: {{{name}: {value}}}}}')
            arguments = ['--params-file', str(file)]
        return Node('node', context=peer.node.context, cli_args=['--ros-args', *arguments])

    return make


def declare_governor(node: Node) -> None:
    read_settings(node, governor.GovernorSettings)


@pytest.mark.parametrize(
    ('declare', 'name', 'near'),
    [(declare_parameters, 'rate.flor', 'rate.floor'), (declare_governor, 'flor', 'floor')],
)
def test_an_unknown_name_is_warned_of_with_the_nearest(
    given: Callable[[str, str], Node],
    capfd: pytest.CaptureFixture[str],
    declare: Callable[[Node], None],
    name: str,
    near: str,
) -> None:
    node = given(name, '0.3')
    declare(node)
    said = capfd.readouterr()
    assert f"'{name}'" in said.out + said.err
    assert f"'{near}'" in said.out + said.err
    node.destroy_node()


def test_known_names_are_not_warned_of(
    given: Callable[[str, str], Node], capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in (
        ('use_sim_time', 'true'),
        ('top_k', '3'),
        ('qos_overrides./image.subscription.depth', '3'),
    ):
        node = given(name, value)
        declare_parameters(node)
        node.destroy_node()
    said = capfd.readouterr()
    assert 'unknown' not in said.out + said.err


def test_a_camera_has_no_value_of_its_own_where_a_dumped_file_has_null(
    peer: RosPeer, tmp_path: Path
) -> None:
    file = tmp_path / 'dumped.yaml'
    file.write_text(
        'node:\n  ros__parameters:\n    cameras: [front, rear]\n'
        '    front: {weight: 2, image_transport: null, rate: {floor: null}}\n'
    )
    arguments = ['--ros-args', '--params-file', str(file)]
    node = Node('node', context=peer.node.context, cli_args=arguments)
    specs = declare_parameters(node)
    front, rear = camera_settings(read_parameters(node, specs)).values()
    assert (front.weight, rear.weight) == (2.0, 1.0)
    assert (front.image_transport, front.perception.rate.floor) == ('raw', 0.2)
    node.destroy_node()


@pytest.mark.parametrize(
    ('declare', 'name'), [(declare_parameters, 'rate.floor'), (declare_governor, 'floor')]
)
def test_a_whole_number_may_stand_for_a_float(
    given: Callable[[str, str], Node], declare: Callable[[Node], None], name: str
) -> None:
    node = given(name, '1')
    declare(node)
    value = node.get_parameter(name).value
    assert (type(value), value) == (float, 1.0)
    node.destroy_node()


@pytest.mark.skipif(
    not hasattr(Node, 'add_pre_set_parameters_callback'), reason='not in this rclpy'
)
def test_a_whole_number_may_stand_for_a_float_in_a_later_change(peer: RosPeer) -> None:
    node = Node('node', context=peer.node.context)
    declare_parameters(node)
    take_whole_numbers(node, classifier.SPECS)
    one, many = (
        node.set_parameters_atomically([Parameter(name, value=1)])
        for name in ('rate.floor', 'rate.mappings')
    )
    assert one.successful
    assert node.get_parameter('rate.floor').value == 1.0
    assert not many.successful
    node.destroy_node()
