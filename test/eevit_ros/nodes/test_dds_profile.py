"""Who chooses the transports of Fast DDS: the user's environment before the shipped profile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from eevit_ros.nodes.dds_profile import CHOICES, VARIABLES, take_profile, without_shared_memory
from harness.domains import claim_domain
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


@pytest.mark.parametrize(
    ('chosen', 'shares'),
    [
        ({}, False),
        (dict.fromkeys(VARIABLES, str(PROFILE)), False),  # exported for the camera driver
        ({'FASTDDS_BUILTIN_TRANSPORTS': 'DEFAULT'}, True),
    ],
    ids=('nothing', 'our profile', 'their own'),
)
def test_a_governor_shares_no_memory_unless_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, chosen: Mapping[str, str], shares: bool
) -> None:
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    # Kept to this computer, rmw_fastrtps would add shared memory by itself.
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    monkeypatch.delenv('ROS_LOCALHOST_ONLY', raising=False)
    domain_id, lock = claim_domain()
    with lock:
        environment = {**os.environ, **without_shared_memory(), 'ROS_DOMAIN_ID': str(domain_id)}
        command = [sys.executable, '-c', START]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(shares)
