"""benchmarks/jetson.sh with stand-ins for NVIDIA's tools: nobody has run it on a Jetson yet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.tiny_model import write_tiny_model  # noqa: E402
from test.documents.pages import ROOT

SCRIPT = ROOT / 'benchmarks' / 'jetson.sh'
MODE, CLOCKS = 'NV Power Mode: MAXN\n0', 'cpu0: Online=1 CurrentFreq=1510400'
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
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / 'tools'
    folder.mkdir()
    for name, body in TOOLS.items():
        (folder / name).write_text(f'#!/bin/sh\n{body}\n')
        (folder / name).chmod(0o755)
    return folder


def run(tools: Path, models: Path, out: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, 'PYTHON': sys.executable, 'RUNS': '50', 'ROUNDS': '1', 'PROVIDERS': 'cpu',
        'PATH': f'{tools}:{os.environ["PATH"]}', **settings,
    }  # fmt: skip
    return subprocess.run(
        [str(SCRIPT), str(models), str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_figure_lies_beside_power_mode_clocks_and_energy(tools: Path, tmp_path: Path) -> None:
    models, out = tmp_path / 'models', tmp_path / 'out'
    models.mkdir()
    write_tiny_model(models / 'ours.onnx')
    done = run(tools, models, out)
    assert done.returncode == 0, done.stderr
    assert 'no peer: there is no' in done.stderr
    assert sorted(path.name for path in out.glob('*.json')) == [
        'single_cpu_1.json',
        'staged_cpu_1.json',
    ]
    for path in out.glob('*.json'):
        figures = json.loads(path.read_text())
        assert (figures['nvpmodel'], figures['jetson_clocks']) == (MODE, CLOCKS)
        assert figures['rss_mb'] > 0 and figures['load_s'] > 0
        assert set(figures['mj']) == set(figures['ms'])
        for layer, energy in figures['mj'].items():
            # Energy covers the whole frame, its time in ONNX Runtime is the least of it.
            assert energy > WATTS * min(figures['ms'].values()) / 2, layer


def test_a_provider_that_is_not_there_gives_no_figures_but_a_reason(
    tools: Path, tmp_path: Path
) -> None:
    models, out = tmp_path / 'models', tmp_path / 'out'
    models.mkdir()
    write_tiny_model(models / 'ours.onnx')
    done = run(tools, models, out, PROVIDERS='tensorrt')
    assert done.returncode == 0
    assert 'no figures of single on tensorrt' in done.stderr
    assert not list(out.glob('*.json'))


def test_without_the_tools_it_says_so(tmp_path: Path) -> None:
    bare = tmp_path / 'bare'
    bare.mkdir()
    for name in ('bash', 'dirname', 'mkdir'):
        found = shutil.which(name)
        assert found
        (bare / name).symlink_to(found)
    done = run(bare, tmp_path, tmp_path / 'out', PATH=str(bare))
    assert (done.returncode, 'there is no nvpmodel here' in done.stderr) == (1, True)
