"""Who chooses the transports of Fast DDS: the user's environment before the shipped profile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from eevit_ros.nodes import dds_profile
from eevit_ros.nodes.dds_profile import CHOICES, VARIABLES, take_profile, without_shared_memory
from harness.domains import THIS_COMPUTER, claim_domain
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


START = """
import rclpy

rclpy.init()
node = rclpy.create_node('started')
print('/dev/shm/fastrtps_' in open('/proc/self/maps').read())
"""
OPEN = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}


@pytest.mark.parametrize(
    ('chosen', 'shares'),
    [
        (OPEN, False),
        (THIS_COMPUTER, False),
        ({**OPEN, **dict.fromkeys(VARIABLES, str(PROFILE))}, False),  # exported for the camera
        ({**OPEN, 'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}, True),
    ],
    ids=('nothing', 'this computer alone', 'our profile', 'their own'),
)
def test_a_governor_shares_no_memory_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, chosen: Mapping[str, str], shares: bool
) -> None:
    monkeypatch.delenv('ROS_LOCALHOST_ONLY', raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    domain_id, lock = claim_domain()
    with lock:
        environment = {**os.environ, **without_shared_memory(), 'ROS_DOMAIN_ID': str(domain_id)}
        command = [sys.executable, '-c', START]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(shares)


def test_who_else_is_let_in_stays_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**THIS_COMPUTER, 'ROS_STATIC_PEERS': '192.0.2.1'}.items():
        monkeypatch.setenv(name, value)
    assert without_shared_memory() == {}


def test_another_middleware_keeps_to_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in THIS_COMPUTER.items():
        monkeypatch.setenv(name, value)
    # Only Fast DDS is on PyPI.
    monkeypatch.setattr(
        dds_profile, 'get_rmw_implementation_identifier', lambda: 'rmw_cyclonedds_cpp'
    )
    assert without_shared_memory() == {}
