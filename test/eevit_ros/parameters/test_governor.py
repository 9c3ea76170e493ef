"""The governor's parameters: what may be given, and that the file says what it assumes."""

from __future__ import annotations

import pytest
import yaml

from eevit_ros.errors import EevitError
from eevit_ros.parameters.governor import SPECS, GovernorSettings
from eevit_ros.settings import from_values
from eevit_ros.speed.limit import LimitSettings
from harness.paths import ROOT

FILE = ROOT / 'config' / 'speed_governor.yaml'


def test_the_file_holds_every_parameter_with_its_default() -> None:
    assert yaml.safe_load(FILE.read_text())['/**']['ros__parameters'] == {
        name: spec.default for name, spec in SPECS.items()
    }


def test_defaults_make_settings() -> None:
    settings = from_values(GovernorSettings, {})
    assert settings.limit == LimitSettings()
    assert settings.limit_sources == ('filter_speed_limit',)
    assert settings.command == 'none'


@pytest.mark.parametrize('name', ['unit', 'command'])
def test_an_unknown_choice_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(EevitError) as caught:
        from_values(GovernorSettings, {name: 'other'})
    for text in (name, "'other'", *SPECS[name].choices):
        assert text in str(caught.value)


def test_metres_per_second_need_the_full_speed() -> None:
    with pytest.raises(EevitError, match=r"'max_speed_mps' above 0\. Got 0\.0"):
        from_values(GovernorSettings, {'unit': 'mps'})
    settings = from_values(GovernorSettings, {'unit': 'mps', 'max_speed_mps': 0.5})
    assert (settings.unit, settings.limit.max_speed_mps) == ('mps', 0.5)


@pytest.mark.parametrize('value', [None, []])
def test_an_empty_list_is_no_source(value: object) -> None:
    assert from_values(GovernorSettings, {'limit_sources': value}).limit_sources == ()


@pytest.mark.parametrize(
    ('value', 'named'),
    [
        ('zones', "'zones'"),
        ([1.5], '[1.5]'),
        (['a', 'a'], 'twice'),
    ],
)
def test_sources_that_are_no_topics_are_refused(value: object, named: str) -> None:
    with pytest.raises(EevitError) as caught:
        from_values(GovernorSettings, {'limit_sources': value})
    assert 'limit_sources' in str(caught.value)
    assert named in str(caught.value)
