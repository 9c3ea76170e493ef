"""The launch argument dds_profile beside what the environment says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

pytest.importorskip('launch.actions', reason='launch comes with ROS 2 and is not on PyPI')

from eevit_ros.launching.dds_profile import dds_environment, default_profile  # noqa: E402
from eevit_ros.nodes.dds_profile import CHOICES, VARIABLES  # noqa: E402
from harness.paths import ROOT  # noqa: E402

DEFAULT = default_profile(ROOT)
OTHER = str(ROOT / 'config' / 'fastdds_udp.xml')
CHOSEN = {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}


@pytest.mark.parametrize(
    ('chosen', 'argument', 'expected'),
    [
        ({}, DEFAULT, dict.fromkeys(VARIABLES, DEFAULT)),
        ({}, OTHER, dict.fromkeys(VARIABLES, OTHER)),
        ({}, 'none', {'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}),
        ({}, '', {'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}),
        (CHOSEN, DEFAULT, {}),
        (CHOSEN, 'none', {}),
        (CHOSEN, OTHER, dict.fromkeys(VARIABLES, OTHER)),
    ],
)
def test_the_argument_beats_the_environment_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
    chosen: Mapping[str, str],
    argument: str,
    expected: Mapping[str, str],
) -> None:
    for name in CHOICES:
        monkeypatch.setenv(name, '')  # so that it is restored
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert dds_environment({'dds_profile': argument}, DEFAULT) == expected
