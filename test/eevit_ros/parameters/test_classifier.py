"""Parameters: what may be given, and that the shipped file holds the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute
from eevit_ros.parameters.cameras import camera_settings, camera_specs, why_unknown
from eevit_ros.parameters.classifier import SPECS, Settings, demo_model
from eevit_ros.settings import from_values
from eevit_ros.speed.rate import MAPPINGS, RateSettings
from harness.paths import ROOT

FILE = ROOT / 'config' / 'classifier.yaml'


def flat(values: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f'{prefix}{key}.')
        else:
            yield prefix + key, value


def test_the_file_holds_every_parameter_with_its_default() -> None:
    values = yaml.safe_load(FILE.read_text())['/**']['ros__parameters']
    assert dict(flat(values)) == {name: spec.default for name, spec in SPECS.items()}


def test_defaults_make_settings() -> None:
    settings = from_values(Settings, {})
    assert settings.model == demo_model()
    assert settings.model.name == 'eevit_s14_cifar100.onnx'
    assert settings.thresholds == ()
    assert (settings.compute, settings.perception.rate) == (Compute(), RateSettings())


def test_a_model_may_lie_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/robot')
    settings = from_values(Settings, {'model': '~/models/mine.onnx'})
    assert settings.model == Path('/home/robot/models/mine.onnx')


def test_a_cache_folder_is_absolute_or_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/robot')
    settings = from_values(Settings, {'cache_dir': '~/engines'})
    assert settings.compute.engine_folder == Path('/home/robot/engines/tensorrt')
    for name in ('engines', '../engines'):
        with pytest.raises(EevitError, match=f"'cache_dir' must be an absolute .* Got '{name}'"):
            SPECS['cache_dir'].setting('cache_dir', name)


@pytest.mark.parametrize('value', ['0' * 63, '0' * 65, 'g' * 64, 'sha256:' + '0' * 64])
def test_a_hash_has_64_hexadecimal_digits(value: str) -> None:
    SPECS['model_sha256'].setting('model_sha256', '0aF' + '9' * 61)
    with pytest.raises(EevitError, match="'model_sha256' must be 64 hexadecimal digits.* Got"):
        SPECS['model_sha256'].setting('model_sha256', value)


@given(st.floats(0, 1))
def test_one_threshold_may_be_a_number_or_a_list(value: float) -> None:
    for given_value in (value, [value]):
        assert from_values(Settings, {'thresholds': given_value}).thresholds == (value,)


def test_an_integer_is_a_number() -> None:
    assert from_values(Settings, {'thresholds': [0, 1]}).thresholds == (0.0, 1.0)


@pytest.mark.parametrize('value', [None, []])
def test_an_empty_list_means_the_model_s_own_thresholds(value: object) -> None:
    assert from_values(Settings, {'thresholds': value}).thresholds == ()


@pytest.mark.parametrize('value', [-0.1, 1.1, float('nan'), [0.5, float('inf')], 'x', True, ['x']])
def test_a_threshold_that_is_no_confidence_is_refused(value: object) -> None:
    with pytest.raises(EevitError, match="'thresholds' must be one number in"):
        SPECS['thresholds'].setting('thresholds', value)


@pytest.mark.parametrize(
    'name', ['image_transport', 'provider', 'execution', 'exit_policy', 'class_ids']
)
def test_an_unknown_choice_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(EevitError) as caught:
        from_values(Settings, {name: 'other'})
    for text in (name, "'other'", *SPECS[name].choices):
        assert text in str(caught.value)


def test_every_setting_of_the_rate_and_of_shift_is_live() -> None:
    assert all(spec.live for name, spec in SPECS.items() if name.startswith(('rate.', 'shift.')))


@pytest.mark.parametrize('value', [[], ['depth', 'speed'], ['']])
def test_every_mapping_must_be_a_known_one(value: list[str]) -> None:
    with pytest.raises(EevitError) as caught:
        from_values(Settings, {'rate.mappings': value})
    for text in ("'rate.mappings' must be one or more of", *MAPPINGS, f'Got {value!r}'):
        assert text in str(caught.value)


def test_mappings_may_be_any_of_the_known_ones() -> None:
    settings = from_values(Settings, {'rate.mappings': list(MAPPINGS)})
    assert settings.perception.rate.mappings == MAPPINGS


@pytest.mark.parametrize(
    ('cameras', 'reason'),
    [
        (['front', 'left', 'front'], "'front' twice"),
        (['front', ''], "Got ['front', '']"),
        (['front', 'rear left'], 'must be a list of names'),
        (['/front'], 'must be a list of names'),
        (['2nd'], 'must be a list of names'),
        (['front__left'], 'must be a list of names'),
        (['f' * 65], 'at most 64'),
        ([1, 2], 'must be a list of names'),
        ('front', 'must be a list of names'),
        *((['front', word], 'a topic or a parameter') for word in (
            'image', 'frame', 'annotated', 'rate', 'shift', 'model', 'qos_overrides')),
    ],
)  # fmt: skip
def test_cameras_have_names_that_make_topics_each_its_own(cameras: object, reason: str) -> None:
    with pytest.raises(EevitError, match='parameter .cameras. must') as refused:
        SPECS['cameras'].setting('cameras', cameras)
    assert reason in str(refused.value)


def test_a_camera_takes_what_it_has_not_from_the_common_parameters() -> None:
    values = {
        'cameras': ['front', 'rear'],
        'rate.floor': 0.3,
        'image_transport': 'compressed',
        'rear.rate.floor': 0.1,
        'rear.image_rotation': 180,
        'front.image_transport': None,  # declared, and not given
        'front.weight': 2,
    }
    assert values.keys() - SPECS.keys() <= camera_specs(['front', 'rear']).keys()
    found = camera_settings(values)
    assert [(c.perception.rate.floor, c.weight) for c in found.values()] == [(0.3, 2.0), (0.1, 1.0)]
    assert {c.image_transport for c in found.values()} == {'compressed'}
    assert [c.images.mounting.image_rotation for c in found.values()] == [0, 180]
    assert list(camera_settings({})) == ['']
    one = camera_settings({'cameras': ['front', 'rear'], 'front.regions': True})
    assert [camera.region.regions for camera in one.values()] == [True, False]


def test_a_wrong_value_of_a_camera_is_refused_with_its_name() -> None:
    with pytest.raises(EevitError, match=r"'rear\.rate\.floor' must be within"):
        camera_settings({'cameras': ['rear'], 'rear.rate.floor': 2.0})
    both = {'rate.mappings': ['confidence'], 'rear.rate.easy_confidence': 0.1}
    with pytest.raises(EevitError, match=r"camera rear: .*'rate\.easy_confidence'"):
        camera_settings({'cameras': ['front', 'rear'], **both})


@pytest.mark.parametrize(
    ('name', 'why'),
    [
        ('frnt.rate.floor', "does not name 'frnt'"),
        ('front.model', "share 'model'"),
        ('front.rate.flor', ''),
        ('nonsense', ''),
    ],
)
def test_why_a_parameter_is_unknown(name: str, why: str) -> None:
    said = why_unknown(name, ('front', 'left'))
    assert why in said and bool(why) == bool(said)
