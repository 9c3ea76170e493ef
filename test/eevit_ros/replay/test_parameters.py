"""The nodes' parameters without ROS: the same files, the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.replay.parameters import classifier_settings, governor_settings
from eevit_ros.speed.limit import LimitSettings
from eevit_ros.speed.rate import RateSettings
from harness.paths import ROOT

CONFIG = ROOT / 'config'

# Each line stands for twice as much as the one before: a thousand billion entries in all.
ALIASES = 'a0: &a0 {x: 1}\n' + ''.join(
    f'a{i}: &a{i} {{x: *a{i - 1}, y: *a{i - 1}}}\n' for i in range(1, 41)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / 'params.yaml'


def test_the_shipped_classifier_file_holds_the_defaults() -> None:
    from_file, given = classifier_settings(CONFIG / 'classifier.yaml', [])
    defaults, nothing = classifier_settings(None, [])
    assert from_file == defaults
    assert from_file.perception.rate == RateSettings()
    assert given['rate.floor'] == 0.2 and nothing == {}


def test_the_shipped_governor_file_holds_the_defaults() -> None:
    assert governor_settings(CONFIG / 'speed_governor.yaml') == governor_settings(None)
    assert governor_settings(None) == LimitSettings()


@pytest.mark.parametrize('node', ['/**', '/*', 'classifier', '/classifier', '/robot_1/classifier'])
def test_the_nodes_section_is_read_in_whatever_namespace(file: Path, node: str) -> None:
    file.write_text(
        f'{node}:\n  ros__parameters:\n    top_k: 3\n    rate: {{floor: 0.3}}\n'
        'other:\n  ros__parameters:\n    top_k: 4\n'
    )
    settings, given = classifier_settings(file, [])
    assert (settings.top_k, settings.perception.rate.floor) == (3, 0.3)
    assert given == {'top_k': 3, 'rate.floor': 0.3}


def test_a_file_for_other_nodes_is_not_taken_for_the_defaults(file: Path) -> None:
    file.write_text('front_classifier:\n  ros__parameters:\n    top_k: 3\n')
    with pytest.raises(EevitError) as refused:
        classifier_settings(file, [])
    assert 'params.yaml' in str(refused.value)
    assert 'classifier' in str(refused.value) and 'front_classifier' in str(refused.value)


def test_an_assignment_wins_over_the_file(file: Path) -> None:
    file.write_text('/**:\n  ros__parameters:\n    thresholds: [0.5]\n    top_k: 3\n')
    settings, given = classifier_settings(file, ['thresholds:=[0.1, 0.9]', 'threads:=1'])
    assert settings.thresholds == (0.1, 0.9)
    assert given == {'thresholds': [0.1, 0.9], 'top_k': 3, 'threads': 1}


@pytest.mark.parametrize(
    ('text', 'thresholds'),
    [('0.9', (0.9,)), ('1', (1.0,)), ('[]', ()), ('[0.5, 0.6]', (0.5, 0.6)), ('', ())],
)
def test_thresholds_take_every_form_that_the_node_takes(
    text: str, thresholds: tuple[float, ...]
) -> None:
    assert classifier_settings(None, [f'thresholds:={text}'])[0].thresholds == thresholds


@pytest.mark.parametrize(
    ('text', 'attack_s'), [('1', 1.0), ('0.25', 0.25), ('1e-1', 0.1), ('2.5e-1', 0.25)]
)
def test_numbers_take_every_form_that_people_write(text: str, attack_s: float) -> None:
    assert (
        classifier_settings(None, [f'rate.attack_s:={text}'])[0].perception.rate.attack_s
        == attack_s
    )


def test_a_path_may_hold_what_separates_names_from_values() -> None:
    assert classifier_settings(None, ['model:=/a:=b.onnx'])[0].model == Path('/a:=b.onnx')


def test_what_means_nothing_here_is_passed_over(file: Path) -> None:
    file.write_text(
        '/**:\n  ros__parameters:\n    use_sim_time: true\n    top_k: 3\n'
        '    qos_overrides: {/camera: {subscription: {depth: 5}}}\n'
    )
    assert classifier_settings(file, [])[0].top_k == 3


@pytest.mark.parametrize(
    ('assignment', 'message'),
    [
        ('treshold:=0.9', "unknown parameter 'treshold': one of model, .*thresholds"),
        ('top_k:=many', "'top_k' must be of type int. Got 'many'"),
        ('top_k:=2.5', "'top_k' must be of type int. Got 2.5"),
        ('top_k:=true', "'top_k' must be of type int. Got True"),
        ('top_k:=0', r"'top_k' must be within \[1, 1000\]. Got 0"),
        ('shift.slows:=1', "'shift.slows' must be of type bool. Got 1"),
        ('rate.attack_s:=.nan', r"'rate.attack_s' must be within \[0.0, 10.0\]. Got nan"),
        ('rate.floor:=0', r"'rate.floor' must be within \[0.01, 1.0\]. Got 0"),
        ('rate.mappings:=depth', "'rate.mappings' must be of type list. Got 'depth'"),
        ('rate.mappings:=[deep]', r"'rate.mappings' must be one or more of depth, .*\['deep'\]"),
        ('rate.mappings:=[]', "'rate.mappings' must be one or more of depth"),
        ('provider:=npu', "'provider' must be one of auto, .*'npu'"),
        ('thresholds:=2', r"'thresholds' must be one number in \[0, 1\].* Got 2"),
        ('thresholds:=[0.5, high]', "'thresholds' must be one number"),
        ('thresholds=0.9', "-p takes NAME:=VALUE, .* Got 'thresholds=0.9'"),
        ('thresholds', '-p takes NAME:=VALUE'),
        ('thresholds:=[0.5', r'-p thresholds:=\[0.5: '),
        (':=0.5', "unknown parameter ''"),
    ],
)
def test_a_wrong_assignment_is_refused_in_words(assignment: str, message: str) -> None:
    with pytest.raises(EevitError, match=message):
        classifier_settings(None, [assignment])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('top_k: 3\n', "params.yaml is not a ROS parameter file: it must hold 'ros__parameters'"),
        ('', 'params.yaml is not a ROS parameter file'),
        ('- 1\n', 'params.yaml is not a ROS parameter file'),
        ('/**:\n  ros__parameters: 5\n', 'params.yaml is not a ROS parameter file'),
        ('/**:\n  ros__parameters: [\n', 'cannot read the parameter file .*params.yaml'),
        ('/**:\n\tros__parameters: {}\n', 'cannot read the parameter file .*params.yaml'),
        *(
            (f'/**:\n  ros__parameters:\n    top_k: {value}\n', 'cannot read the parameter file')
            for value in ('!!bool x', '!!int x', '2020-13-45', '"\\U00110000"', '9' * 5000)
        ),
        (f'/**: {"[" * 3000}\n', 'cannot read the parameter file .*RecursionError'),
        ('/**:\n  ros__parameters: &a {rate: *a}\n', 'ROS reads no aliases'),
        (ALIASES, 'ROS reads no aliases'),
        ('/**:\n  ros__parameters:\n    speed: 3\n', "unknown parameter 'speed'"),
        ('/**:\n  ros__parameters:\n    rate: {flor: 0.3}\n', "unknown parameter 'rate.flor'"),
        ('/**:\n  ros__parameters:\n    top_k: "3"\n', "'top_k' must be of type int. Got '3'"),
    ],
)
def test_a_wrong_file_is_refused_in_words(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(EevitError, match=message):
        classifier_settings(file, [])


def test_a_file_that_is_missing_or_no_text_is_named(file: Path) -> None:
    with pytest.raises(EevitError, match='cannot read the parameter file .*params.yaml'):
        classifier_settings(file, [])
    file.write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(EevitError, match='cannot read the parameter file .*params.yaml'):
        classifier_settings(file, [])


@pytest.mark.parametrize('name', ['floor', 'stale_after_s', 'recover_per_s', 'fresh_messages'])
def test_the_governors_values_are_taken(file: Path, name: str) -> None:
    file.write_text(f'/**/speed_governor:\n  ros__parameters:\n    {name}: 1\n')
    assert getattr(governor_settings(file), name) == 1


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('floor: 0.0', r"'floor' must be within \[0.01, 1.0\]. Got 0.0"),
        ('floor: low', "parameter 'floor' must be of type float. Got 'low'"),
        ('floor: true', "'floor' must be of type float. Got True"),
        ('fresh_messages: 2.5', "'fresh_messages' must be .* Got 2.5"),
        ('recover_per_s: -1.0', "'recover_per_s' must be within .* Got -1.0"),
        ('stale_after_s: .nan', "'stale_after_s' must be within .* Got nan"),
        ('stale_after_s: 60.0', "'stale_after_s' must be within .* Got 60.0"),
        ('flor: 0.1', "unknown parameter 'flor': one of publish_hz, .*floor, "),
        ('unit: mps', "'unit' is mps, which needs 'max_speed_mps' above 0"),
        ('limit_sources: [a, a]', "'limit_sources' names one twice"),
        ('limit_sources: [1]', "'limit_sources' must be a list of topics"),
        ('unit: knots', "'unit' must be one of percentage, mps. Got 'knots'"),
    ],
)
def test_a_wrong_value_for_the_governor_is_refused_in_words(
    file: Path, line: str, message: str
) -> None:
    file.write_text(f'/**:\n  ros__parameters:\n    {line}\n')
    with pytest.raises(EevitError, match=message):
        governor_settings(file)


def test_a_section_for_all_nodes_may_hold_those_of_both(file: Path) -> None:
    file.write_text('/**:\n  ros__parameters:\n    top_k: 3\n    stale_after_s: 1.5\n')
    assert classifier_settings(file, [])[0].top_k == 3
    assert governor_settings(file).stale_after_s == 1.5
    file.write_text('speed_governor:\n  ros__parameters:\n    top_k: 3\n')
    with pytest.raises(EevitError, match="unknown parameter 'top_k'"):
        governor_settings(file)
