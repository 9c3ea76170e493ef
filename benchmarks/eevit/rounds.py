"""The rounds of exported files in ONNX Runtime: a process for each side and round, and its tables.

Needs no torch: files may have been exported elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report_file import Cell, Table
from eevit_ros.reporting.interval import median_interval
from harness.paths import ROOT

FILES = ROOT / 'build' / 'benchmarks' / 'eevit'
# Where CIFAR-100's test images left in the thesis, at its threshold of 0.8.
PERCENT = {4: 43.3, 5: 15.6, 6: 9.4, 7: 8.9, 8: 11.4, 9: 5.0, 10: 2.4, 11: 0.9, 12: 3.1}
SHARES = {layer: percent / 100 for layer, percent in PERCENT.items()}
LAYERS = max(SHARES)
PEER, PLAIN = 'peer', 'plain'
Round = dict[str, Any]
"""What one process measured, see `one_round.py`."""


@dataclass(frozen=True)
class Side:
    """A file and how it is run; `how` is a SIDE of `one_round.py`."""

    name: str
    how: str
    file: Path


class RoundError(Exception):
    """A side gave no figures; the message ends with what its process said."""


def measure(
    sides: Sequence[Side],
    *,
    provider: str,
    rounds: int,
    runs: int,
    threads: int,
    fp16: bool = False,
    tf32: bool = False,
    power: str = '',
) -> tuple[dict[str, list[Round]], dict[str, str]]:
    """Run all rounds.

    Args:
        sides: What is compared; each round begins with another.
        provider: A key of `compute.PROVIDERS`.
        rounds: Processes of each side.
        runs: Frames of each exit in a process.
        threads: Of the CPU.
        fp16: Whether TensorRT may use half precision.
        tf32: Whether TF32 is left to the libraries.
        power: A command that prints lines of tegrastats, to measure energy; '' measures none.

    Returns:
        What each side's processes found, in the rounds' order; and of the sides that failed, which
        are left out from then on, why.
    """
    environment = dict(os.environ)
    if not tf32:
        environment['NVIDIA_TF32_OVERRIDE'] = '0'
    options = ['--threads', str(threads), '--runs', str(runs)]
    options += ['--provider', provider, '--layers', str(LAYERS)]
    options += ['--cache-dir', str(FILES / 'engines')] + ['--fp16'] * fp16
    options += ['--power', power] * bool(power)
    found: dict[str, list[Round]] = {side.name: [] for side in sides}
    lost: dict[str, str] = {}
    for number in range(rounds):
        print(f'round {number + 1} of {rounds}', flush=True)
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            if side.name in lost:
                continue
            command = [sys.executable, '-m', 'benchmarks.eevit.one_round']
            command += [side.how, str(side.file), *options]
            try:
                figures = json.loads(run(command, environment))
            except RoundError as err:
                lost[side.name] = str(err)
                del found[side.name]
                continue
            for what in figures.keys() & {'ms', 'mj'}:
                figures[what] = {int(layer): value for layer, value in figures[what].items()}
            found[side.name].append(figures)
    return found, lost


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a process printed.

    Raises:
        RoundError: It failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RoundError(f'{" ".join(command)} failed:\n{done.stderr[-2000:]}')
    return done.stdout


def weighted(figures: Round, what: str = 'ms') -> float:
    """Mean milliseconds, or millijoules ('mj'), of the thesis' mix of exits."""
    return float(sum(share * figures[what][layer] for layer, share in SHARES.items()))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[Cell]:
    """Median ratio of two sides' rounds, and the ends of its interval."""
    return [*median_interval(np.divide(ours, theirs))]


def exit_table(found: Mapping[str, Sequence[Round]], what: str, title: str) -> Table:
    """Medians of `what` (`ms` or `mj`) at every exit and at the thesis' mix, of each side."""
    early = [name for name in found if name != PLAIN]

    def at(name: str, layer: int) -> float:
        return _median([figures[what][layer] for figures in found[name]])

    rows: list[list[Cell]] = []
    for layer, share in SHARES.items():
        rows.append([f'{layer}', share, *(at(name, layer) for name in early)])
    mixed = (_median([weighted(figures, what) for figures in found[name]]) for name in early)
    rows.append(['weighted', 1.0, *mixed])
    if PLAIN in found:
        rows.append([PLAIN, None, at(PLAIN, LAYERS), *[None] * (len(early) - 1)])
    return Table(title, ['layers', 'share', *early], rows)


def time_tables(
    found: Mapping[str, Sequence[Round]], busy: Mapping[str, Sequence[Round]] | None = None
) -> list[Table]:
    """Milliseconds at every exit, and ratios to the peer and to the plain ViT.

    Args:
        found: What each side's processes found.
        busy: The same beside other processes that wanted the cores.
    """
    early = [name for name in found if name != PLAIN]

    def at(sides: Mapping[str, Sequence[Round]], name: str, layer: int) -> list[float]:
        return [figures['ms'][layer] for figures in sides[name]]

    made = [exit_table(found, 'ms', 'Milliseconds by layers that ran')]
    others = [name for name in early if name != PEER]
    ends = [column for name in others for column in (name, 'low', 'high')]
    if PEER in found:
        rows: list[list[Cell]] = [
            [
                f'{layer}',
                *(c for n in others for c in ratios(at(found, n, layer), at(found, PEER, layer))),
            ]
            for layer in SHARES
        ]
        for label, sides in (('weighted', found), ('weighted, busy', busy)):
            if sides is not None:
                peer = [*map(weighted, sides[PEER])]
                mixed = (ratios([*map(weighted, sides[name])], peer) for name in others)
                rows.append([label, *(cell for cells in mixed for cell in cells)])
        made.append(Table('Time as a ratio to the peer', ['layers', *ends], rows))
    if PLAIN in found:
        rows = []
        for label, sides in (('full depth', found), ('full depth, busy', busy)):
            if sides is not None:
                full = (ratios(at(sides, n, LAYERS), at(sides, PLAIN, LAYERS)) for n in others)
                rows.append([label, *(cell for cells in full for cell in cells)])
        made.append(Table('Time as a ratio to the plain ViT', ['', *ends], rows))
    return made


def loading_table(sides: Sequence[Side], found: Mapping[str, Sequence[Round]]) -> Table:
    """Return what loading costs: memory, time and CPU time of each side's processes."""
    base = next(name for name in (PEER, PLAIN, *found) if name in found)
    rows: list[list[Cell]] = []
    for side in sides:
        if side.name not in found:
            continue
        rounds = found[side.name]
        cells: list[Cell] = [side.name, side.file.stat().st_size / 1e6]
        cells += [_median([one[key] for one in rounds]) for key in ('load_s', 'rss_mb', 'peak_mb')]
        cells.append(_median([one['peak_mb'] / one['rss_mb'] for one in rounds]))
        for key in ('rss_mb', 'load_s', 'load_cpu_s'):
            cells += ratios([one[key] for one in rounds], [one[key] for one in found[base]])
        rows.append(cells)
    columns = ['', 'file, MB', 'load, s', 'resident, MB', 'peak, MB', 'peak / resident']
    for name in ('resident', 'load', 'load, CPU'):
        columns += [f'{name} / {base}', 'low', 'high']
    return Table('One process: memory and time to load', columns, rows)


def tables(sides: Sequence[Side], found: Mapping[str, Sequence[Round]]) -> list[Table]:
    """Return the times, the energy if it was measured, and what loading costs."""
    made = time_tables(found)
    if all('mj' in figures for rounds in found.values() for figures in rounds):
        made.append(exit_table(found, 'mj', 'Millijoules by layers that ran'))
    return [*made, loading_table(sides, found)]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
