"""Who chooses the transports of Fast DDS: the user's environment before the shipped profile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eevit_ros.nodes.dds_profile import CHOICES, VARIABLES, take_profile
from harness.processes import PROFILE


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOICES:
        monkeypatch.setenv(name, '')  # so that it is restored
        monkeypatch.delenv(name)


def test_a_process_takes_the_shipped_profile() -> None:
    take_profile()
    assert {Path(os.environ[name]) for name in VARIABLES} == {PROFILE}


@pytest.mark.parametrize('name', CHOICES)
@pytest.mark.parametrize('value', ['UDPv4', ''])
def test_the_users_choice_wins(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    take_profile()
    assert {name: value} == {one: os.environ[one] for one in CHOICES if one in os.environ}
