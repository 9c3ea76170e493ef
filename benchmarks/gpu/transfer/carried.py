"""What was carried to this machine: joined, installed, and found by the steps.

Needs Python alone, as it brings the other packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu.transfer.pieces import LIST, join
from harness.paths import ROOT

FOLDER = ROOT / 'build' / 'gpu'
"""Holds `load-*`, as `pack` made them; runs and reports go here too."""

RECIPE = ROOT / 'benchmarks' / 'gpu' / 'train_demo.yaml'
"""The recipe that `train_demo` trains."""

WEIGHTS = ROOT / 'models' / 'weights'
"""The demo model's, where none were carried."""


class Carried:
    """What lies in a folder of loads, as folders of files; `pack` says what each holds."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Join the loads, unless that was done, and install the wheels among them.

        Raises:
            DamagedError: A load is missing or damaged.
        """
        self._joined = folder / 'carried'
        loads = sorted(folder.glob('load-*'))
        done = self._joined / LIST
        if loads and not (done.exists() and done.read_text() == (loads[0] / LIST).read_text()):
            print(f'joining {len(loads)} loads', flush=True)
            join(loads, self._joined)
            done.write_text((loads[0] / LIST).read_text())
        self._site = folder / 'site'
        for wheel in sorted((self._joined / 'wheels').glob('*.whl')):
            self._install(wheel)
        if self._site.exists():
            sys.path.insert(0, str(self._site))
            before = os.environ.get('PYTHONPATH')
            os.environ['PYTHONPATH'] = os.pathsep.join([str(self._site), *filter(None, [before])])

    def find(self, name: str) -> Path | None:
        """Return what was carried by this name, if it was."""
        return there if (there := self._joined / name).exists() else None

    def _install(self, wheel: Path) -> None:
        installed = self._site / f'{wheel.stem}.installed'
        if installed.exists():
            return
        command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps']
        command += ['--no-cache-dir', '--disable-pip-version-check', '--upgrade']
        command += ['--target', str(self._site), str(wheel)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
            print(f'{wheel.name} cannot be installed: {last}', flush=True)
        else:
            installed.touch()


def reports_to() -> Path:
    """Return where reports go by default: $OUT where that is set."""
    return Path(os.environ.get('OUT') or FOLDER / 'out')
