"""What `ros2 param describe` says of a parameter."""

from __future__ import annotations

import pytest
from rcl_interfaces.msg import ParameterType

from eevit_ros.nodes.declare import descriptor
from eevit_ros.parameters import classifier, governor


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
