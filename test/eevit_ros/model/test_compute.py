"""Compute options: which are refused, and how many CPU threads a frame gets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from eevit_ros.errors import EevitError
from eevit_ros.model.compute import Compute, all_cores


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ('options', 'complaint'),
    [
        ({'provider': 'npu'}, "'provider' must be one of auto, .* Got 'npu'"),
        ({'threads': -1}, "'threads' must be within .* Got -1"),
        ({'execution': 'twice'}, "'execution' must be one of .*staged.* Got 'twice'"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EevitError, match=complaint):
        Compute(**options)


@pytest.mark.parametrize(('cores', 'threads'), [(1, 1), (2, 1), (4, 3)])
def test_one_core_is_left_to_the_robot(
    cores: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('eevit_ros.model.compute.all_cores', lambda: cores)
    assert Compute().cpu_threads == threads
    assert Compute(threads=4).cpu_threads == 4


def test_without_a_topology_every_cpu_is_a_core(tmp_path: Path) -> None:
    assert all_cores(tmp_path) == 4


def test_two_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu in range(4):
        name = f'sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list'
        write(tmp_path / name, f'{cpu % 2},{cpu % 2 + 2}\n')
    assert all_cores(tmp_path) == 2


@pytest.mark.parametrize(
    ('own', 'around', 'cores'),
    [
        ('max 100000', 'max 100000', 4),
        ('250000 100000', 'max 100000', 2),
        ('max 100000', '300000 100000', 3),
        ('300000 100000', '100000 100000', 1),
        ('50000 100000', 'max 100000', 1),
        ('900000 100000', 'max 100000', 4),
        ('nonsense', '', 4),
    ],
)
def test_quotas_of_control_groups_count(tmp_path: Path, own: str, around: str, cores: int) -> None:
    write(tmp_path / 'proc/self/cgroup', '0::/robot.slice/node.service\n')
    write(tmp_path / 'sys/fs/cgroup/robot.slice/node.service/cpu.max', own)
    write(tmp_path / 'sys/fs/cgroup/robot.slice/cpu.max', around)
    assert all_cores(tmp_path) == cores


def test_this_computer_has_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 1 <= Compute().cpu_threads <= all_cores() <= len(os.sched_getaffinity(0))


def test_the_default_folder_is_where_caches_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/robot')
    monkeypatch.setenv('XDG_CACHE_HOME', '/var/cache')
    assert Compute().engine_folder == Path('/var/cache/eevit_ros/tensorrt')
    for value in ('', 'relative'):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        assert Compute().engine_folder == Path('/home/robot/.cache/eevit_ros/tensorrt')
    for folder in ('~/engines', '/home/robot/engines'):
        assert Compute(cache_dir=folder).engine_folder == Path('/home/robot/engines/tensorrt')


@pytest.mark.parametrize('text', ['engines', './engines', '../engines', '~nobody_at_all/engines'])
def test_a_folder_must_not_depend_on_where_the_node_was_started(text: str) -> None:
    with pytest.raises(EevitError, match="'cache_dir' must be an absolute path, or begin with ~"):
        Compute(cache_dir=text)
