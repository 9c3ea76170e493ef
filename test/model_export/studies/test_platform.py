"""Machines: one file each, merged into one table."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eevit_ros.model.engine import Engine
from harness.tiny_model import write_tiny_model  # noqa: E402
from model_export.errors import ModelExportError
from model_export.studies.platform.machines import mixed_percentile, shares
from model_export.studies.platform.study import study
from model_export.studies.registry import StudyInputs


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp('tiny') / 'tiny.onnx')


@pytest.fixture(scope='module')
def machine(model: Path) -> Path:
    """Measured as on a robot, which has none of these packages."""
    path = model.with_name('bench.json')
    words = ['study', 'platform', '--model', str(model), '--machine', 'bench', '--limit', '2']
    program = (
        'import sys\n'
        'for name in ("torch", "matplotlib", "tqdm", "onnx"): sys.modules[name] = None\n'
        'from model_export.__main__ import main\n'
        f'sys.exit(main({[*words, "--out", str(path)]!r}))'
    )
    subprocess.run([sys.executable, '-c', program], check=True)
    return path


def other(machine: Path, folder: Path, **changes: Any) -> Path:
    data = json.loads(machine.read_text())
    data['machine']['name'] = 'other'
    path = folder / 'other.json'
    path.write_text(json.dumps({**data, **changes}))
    return path


def test_a_provider_that_is_not_there_is_listed(machine: Path, model: Path) -> None:
    rows = {row['provider']: row for row in json.loads(machine.read_text())['providers']}
    assert list(rows) == ['tensorrt', 'cuda', 'cpu']
    if 'not_run' in rows['tensorrt']:  # true wherever the CPU's ONNX Runtime is installed
        assert 'is not in this ONNX Runtime' in rows['tensorrt']['not_run']
    cpu = rows['cpu']
    assert len(cpu['p50_ms']) == len(cpu['p99_ms']) == len(cpu['layers']) == 3
    assert 0 < cpu['mix_p50_ms'] <= cpu['mix_p99_ms'] <= max(cpu['p99_ms']) * 1.05
    assert str(model.parent) not in machine.read_text()


def test_machines_are_merged_into_one_table(machine: Path, model: Path, tmp_path: Path) -> None:
    inputs = StudyInputs(out=tmp_path, model=model, merge=(machine, other(machine, tmp_path)))
    summary, per_exit = study(inputs).tables
    assert [row[:2] for row in summary.rows] == [
        (name, provider) for name in ('bench', 'other') for provider in ('tensorrt', 'cuda', 'cpu')
    ]
    assert [row[2] for row in per_exit.rows if row[0] == 'other'][:3] == [1, 2, 4]
    share = sum(float(row[3] or 0) for row in per_exit.rows if row[:2] == ('other', 'cpu'))
    assert share == pytest.approx(1)


def test_a_machine_of_another_model_is_refused(machine: Path, model: Path, tmp_path: Path) -> None:
    stranger = other(machine, tmp_path, model={'model': 'x', 'sha256': 'y'})
    with pytest.raises(ModelExportError, match=r'^other: measured with another file'):
        study(StudyInputs(out=tmp_path, model=model, merge=(machine, stranger)))


@pytest.mark.parametrize('content', ['{', '{}'])
def test_a_file_that_is_no_machine_is_named(model: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / 'bad.json'
    path.write_text(content)
    with pytest.raises(ModelExportError, match=r'bad\.json'):
        study(StudyInputs(out=tmp_path, model=model, merge=(path,)))


def test_the_mix_is_that_of_the_calibration(model: Path) -> None:
    meta = Engine(model).metadata
    assert shares(meta) == (0.5, 0.0, 0.5)  # white and black, see `tiny_model`
    assert shares(dataclasses.replace(meta, calibration_counts=())) is None


@given(st.integers(1, 40), st.sampled_from([0, 1, 2]), st.sampled_from([1.0, 50.0, 99.0]))
def test_a_mix_of_one_exit_is_that_exit(rounds: int, exit_index: int, percent: float) -> None:
    times = np.random.default_rng(rounds).random((rounds, 3))
    share = tuple(float(index == exit_index) for index in range(3))
    expected = np.percentile(times[:, exit_index], percent, method='inverted_cdf')
    assert mixed_percentile(times, share, percent) == expected


def test_rare_slow_exits_make_the_tail() -> None:
    times = np.tile([1.0, 100.0], (50, 1))
    assert mixed_percentile(times, (0.98, 0.02), 50) == 1.0
    assert mixed_percentile(times, (0.98, 0.02), 99) == 100.0
