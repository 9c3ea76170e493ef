"""`check.sh --files` with stand-ins for NVIDIA's tools: nobody has run it on a Jetson yet."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.eevit.rounds import LAYERS, SHARES
from benchmarks.gpu.checks import Check
from benchmarks.gpu.steps import MissingError
from harness.tiny_model import write_tiny_model

MODE, CLOCKS = 'NV Power Mode: MAXN', 'cpu0: Online=1 CurrentFreq=1510400'
WATTS = 5
TOOLS = {
    'nvpmodel': f'[ "$1" = -q ] && echo "{MODE}"',
    'jetson_clocks': f'[ "$1" = --show ] && echo "{CLOCKS}"',
    'tegrastats': (
        f'exec yes "RAM 2452/7620MB GR3D_FREQ 0% cpu@46C VDD_IN {WATTS}000mW/4932mW '
        'VDD_CPU_GPU_CV 483mW/483mW"'
    ),
}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """A call on a computer with these tools, and a folder that holds ours.onnx alone."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    for name, body in TOOLS.items():
        (tools / name).write_text(f'#!/bin/sh\n{body}\n')
        (tools / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{tools}:{os.environ["PATH"]}')
    write_tiny_model(tmp_path / 'ours.onnx', exit_layers=[*SHARES][:-1], layers=LAYERS)
    return Check(
        weights=tmp_path / 'none',
        data=tmp_path / 'none',
        recipe=tmp_path / 'none',
        peer=None,
        exported=tmp_path,
        files=tmp_path / 'none',
        device='cpu',
        providers=(),
        rounds=1,
        runs=50,
    )


def test_times_and_energy_at_every_exit(check: Check) -> None:
    found = check.times_on('cpu', False)
    tables = {table.title.partition(': ')[2]: table for table in found.tables}
    ms, mj = (tables[f'{what} by layers that ran'] for what in ('Milliseconds', 'Millijoules'))
    assert ms.columns == mj.columns == ['layers', 'share', 'single', 'staged']
    assert [row[0] for row in mj.rows] == [*map(str, SHARES), 'weighted']
    least_ms = min(cell for row in ms.rows for cell in row[2:] if isinstance(cell, float))
    for energy_mj in (cell for row in mj.rows for cell in row[2:]):
        # Energy covers the whole frame, its time in ONNX Runtime is the least of it.
        assert isinstance(energy_mj, float) and energy_mj > WATTS * least_ms / 2
    assert any('peer.onnx' in note for note in found.notes)


def test_power_mode_and_clocks_are_told(check: Check) -> None:
    notes = '\n'.join(check.machine().notes)
    assert MODE in notes and CLOCKS in notes


def test_what_is_not_there_is_told(check: Check, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match='TensorrtExecutionProvider'):
        check.times_on('tensorrt', False)
    (tmp_path / 'ours.onnx').unlink()
    with pytest.raises(MissingError, match=r'ours\.onnx'):
        check.times_on('cpu', False)
