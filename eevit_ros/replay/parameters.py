"""Parameters of the nodes without ROS: from YAML files and NAME:=VALUE, checked as by rclpy."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from eevit_ros.parameters import governor
from eevit_ros.parameters.cameras import camera_specs, why_unknown
from eevit_ros.parameters.classifier import SPECS, Settings
from eevit_ros.replay.errors import ReplayError
from eevit_ros.settings import Spec, from_values
from eevit_ros.speed.limit import LimitSettings

CLASSIFIER, GOVERNOR = 'classifier', 'speed_governor'


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as a number, as ROS does; to PyYAML that is text, for it lacks a point.

    It refuses aliases, as ROS does: a few lines of them can stand for more than memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Raise `yaml.YAMLError` at an alias."""
        if self.check_event(yaml.AliasEvent):
            where = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, 'ROS reads no aliases (*name)', where)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'[-+]?\d+(\.\d*)?[eE][-+]?\d+$'), list('-+0123456789')
)


def classifier_settings(
    file: Path | None, assignments: Sequence[str], cameras: Sequence[str] = ()
) -> tuple[Settings, dict[str, Any]]:
    """Read the classifier's parameters.

    Args:
        file: Parameter file of the node; None for the defaults.
        assignments: 'NAME:=VALUE', which win over the file.
        cameras: Names of several cameras, where neither of these holds them.

    Returns:
        The settings, and the values that were given.

    Raises:
        EevitError: A name is unknown, a value has the wrong type or is out of range.
    """
    others = governor.SPECS.keys() - SPECS.keys()
    given = _read(file, CLASSIFIER, others) if file else {}
    given |= dict(_assignment(text) for text in assignments)
    if cameras and not given.get('cameras'):
        given['cameras'] = list(cameras)
    names = SPECS['cameras'].setting('cameras', given.get('cameras', []))
    given |= _checked(given, SPECS | camera_specs(names), names)
    return from_values(Settings, given), given


def governor_settings(file: Path | None) -> LimitSettings:
    """Read the parameters of the governor that guard the limit.

    Raises:
        EevitError: A name is unknown, a value has the wrong type or is out of range.
    """
    given = _read(file, GOVERNOR, SPECS.keys() - governor.SPECS.keys()) if file else {}
    return from_values(governor.GovernorSettings, _checked(given, governor.SPECS)).limit


def _checked(
    given: Mapping[str, Any], specs: Mapping[str, Spec], cameras: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the parameters that a node declares, checked by type and range."""
    found = {}
    for name, value in given.items():
        if name.startswith('qos_overrides.') or name == 'use_sim_time':
            continue  # of the robot's file; without effect here
        if value is None and name.partition('.')[0] in cameras:
            continue  # `ros2 param dump` writes null for what a camera has not of its own
        if name not in specs:
            why = why_unknown(name, cameras) or f'one of {", ".join(specs)}'
            raise ReplayError(f"unknown parameter '{name}': {why}")
        found[name] = specs[name].checked(name, value)
    return found


def _read(file: Path, node: str, others: Container[str]) -> dict[str, Any]:
    """Return the parameters for a node, whatever its namespace.

    Args:
        file: Parameter file.
        node: Name of the node.
        others: Parameters of other nodes, which a section for all nodes may hold, too.
    """
    try:
        content = _load(file.read_text('utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as err:
        raise ReplayError(f'cannot read the parameter file {file}: {err}') from err
    found: dict[str, Any] = {}
    sections: dict[str, bool] = {}  # and whether they are this node's
    if isinstance(content, Mapping):
        for name, body in content.items():
            parameters = body.get('ros__parameters') if isinstance(body, Mapping) else None
            if isinstance(parameters, Mapping):
                last = str(name).strip('/').rpartition('/')[2]
                sections[str(name)] = last in (node, '*', '**')
                if sections[str(name)]:
                    own = last == node
                    found |= {k: v for k, v in _flat(parameters) if own or k not in others}
    if not sections:
        raise ReplayError(
            f"{file} is not a ROS parameter file: it must hold 'ros__parameters' below a node's "
            f"name or '/**', as config/classifier.yaml does"
        )
    if not any(sections.values()):
        raise ReplayError(
            f"{file} holds nothing for {node}, only for {', '.join(sections)}: name it '{node}' or "
            f"'/**' there"
        )
    return found


def _load(text: str) -> Any:
    """Read YAML.

    Raises:
        yaml.YAMLError: `text` is not YAML.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as err:
        # Raised by PyYAML for '!!bool x', 2020-13-45, a thousand brackets.
        raise yaml.YAMLError(f'{type(err).__name__}: {err}') from err


def _flat(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def _assignment(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition(':=')
    if not separator:
        raise ReplayError(f'-p takes NAME:=VALUE, for instance thresholds:=0.9. Got {text!r}')
    try:
        return name.strip(), _load(value)
    except yaml.YAMLError as err:
        raise ReplayError(f'-p {text}: {err}') from err
