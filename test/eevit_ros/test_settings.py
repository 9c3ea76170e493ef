"""Settings classes as parameters: names, defaults, checks, nesting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.errors import EevitError
from eevit_ros.parameters.classifier import Settings
from eevit_ros.parameters.governor import GovernorSettings
from eevit_ros.settings import check, from_values, group, parameter, specs


@dataclass(frozen=True)
class Wheel:
    """A part with parameters of its own."""

    grip: float = parameter(1.0, 'Grip.', 0.0, 2.0, live=True)
    kinds: tuple[str, ...] = parameter(['front'], 'Kinds.', choices=('front', 'rear'))

    def __post_init__(self) -> None:
        check(self, 'wheel.')


@dataclass(frozen=True)
class Cart:
    """Settings that hold a part's."""

    count: int = parameter(4, 'Wheels.', 1, 9)
    braked: bool = parameter(True, 'Brakes.')
    wheel: Wheel = group(Wheel, 'wheel.')
    plan: Path = parameter('', 'Drawing.', convert=Path)


def test_parameters_are_named_in_the_order_of_the_fields() -> None:
    found = specs(Cart)
    assert list(found) == ['count', 'braked', 'wheel.grip', 'wheel.kinds', 'plan']
    assert [name for name, spec in found.items() if spec.live] == ['wheel.grip']


@pytest.mark.parametrize('settings', [Cart, Settings, GovernorSettings])
def test_the_defaults_of_the_parameters_are_those_of_the_settings(settings: type[Any]) -> None:
    defaults = {name: spec.default for name, spec in specs(settings).items()}
    assert from_values(settings, defaults) == from_values(settings, {}) == settings()


@given(st.integers(1, 9), st.floats(0, 2), st.lists(st.sampled_from(['front', 'rear']), min_size=1))
def test_values_go_where_their_names_say(count: int, grip: float, kinds: list[str]) -> None:
    values = {'count': count, 'wheel.grip': grip, 'wheel.kinds': kinds, 'plan': 'a.pdf'}
    expected = Cart(count=count, wheel=Wheel(grip, tuple(kinds)), plan=Path('a.pdf'))
    assert from_values(Cart, values) == expected


def test_a_whole_number_may_stand_for_a_float() -> None:
    found = from_values(Cart, {'wheel.grip': 1})
    assert type(found.wheel.grip) is float


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('count', 0),
        ('count', 10),
        ('count', 2.5),
        ('count', True),
        ('count', '4'),
        ('braked', 1),
        ('plan', 3),
        ('wheel.grip', -0.1),
        ('wheel.grip', float('nan')),
        ('wheel.grip', 10**400),
        ('wheel.grip', True),
        ('wheel.kinds', 'front'),
        ('wheel.kinds', ['middle']),
        ('wheel.kinds', []),
        ('wheel.kinds', None),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(EevitError) as caught:
        from_values(Cart, {name: value})
    assert f"'{name}' must be " in str(caught.value)
    assert str(caught.value).endswith(f'Got {value!r}')


@given(st.floats().filter(lambda grip: not 0 <= grip <= 2))
def test_settings_made_without_parameters_are_checked_too(grip: float) -> None:
    with pytest.raises(EevitError, match=r"'wheel\.grip' must be within"):
        Wheel(grip=grip)
