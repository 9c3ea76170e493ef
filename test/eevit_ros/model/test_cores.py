from __future__ import annotations

import os
from pathlib import Path

import pytest

from eevit_ros.model.cores import all_cores, spare_one


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_one_core_is_left_to_the_robot(tmp_path: Path) -> None:
    assert (all_cores(tmp_path), spare_one(tmp_path)) == (4, 3)


def test_on_a_single_core_there_is_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {2})
    assert (all_cores(tmp_path), spare_one(tmp_path)) == (1, 1)


def test_two_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu in range(4):
        name = f'sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list'
        write(tmp_path / name, f'{cpu % 2},{cpu % 2 + 2}\n')
    assert (all_cores(tmp_path), spare_one(tmp_path)) == (2, 1)


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
    assert 1 <= spare_one() <= all_cores() <= len(os.sched_getaffinity(0))
