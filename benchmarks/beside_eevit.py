"""Ours beside the EEViT thesis' exported file: time at every exit, memory, time to load.

    python -m benchmarks.beside_eevit --peer CHECKOUT --peer-python PYTHON

Both are ViT-B/16 at 224 x 224 with LGViT's eight exits after layers 4 to 11, 100 classes and random
weights, and are forced to leave at each exit in turn. Beside them a ViT-B/16 without exits. Each
round starts a process for each side, in another order each time; a ratio compares two processes
of one round. Without --peer, ours and the plain one are measured alone.

The peer's code is run, not copied. To get it, and a Python for it (its requirements pin torch
2.6.0; this project's torch exports it as well):

    git clone https://github.com/ionymikler/early_exit_vit CHECKOUT
    python3 -m venv peer
    peer/bin/pip install torch onnx onnxruntime onnxscript einops colorama pyyaml

and `--peer-python peer/bin/python`.

On a GPU: --provider cuda or tensorrt, the latter also with --fp16. TF32 is off on both sides unless
--tf32 leaves it to the libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tqdm import tqdm

from benchmarks.random_file import random_model, write_plain, write_random
from benchmarks.report_file import Cell, Report, Table, add_options, machine
from eevit_ros.model.compute import PROVIDERS, all_cores
from eevit_ros.model.ort_session import import_onnxruntime
from eevit_ros.reporting.interval import median_interval
from harness.paths import ROOT
from model_export.export.onnx_writer import INT8
from model_export.recipe.recipe import Recipe, load_recipe

FILES = ROOT / 'build' / 'benchmarks' / 'eevit'
RECIPE = ROOT / 'config' / 'recipes' / 'lgvit_vit_b16.yaml'
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


def forced_by_input(exported: Path, out: Path) -> None:
    """Let the biases of the peer's exits be given at run time; else the graph stays as it is.

    Its threshold is a constant of the graph, but a large bias makes an exit sure. ONNX Runtime
    takes an initializer for an input's default if the graph lists it among its inputs.
    """
    proto = onnx.load(str(exported))
    for tensor in proto.graph.initializer:
        if tensor.name.endswith('highway.classifier.classifier.bias'):
            proto.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    onnx.save(proto, str(out))


def export_peer(checkout: Path, python: Path, out: Path) -> Path:
    """Return the peer's file, exported by its code if it is not there from an earlier run."""
    if not out.exists():
        exported = out.with_name('peer_exported.onnx')
        script = ROOT / 'benchmarks' / 'eevit' / 'export_peer.py'
        print('exporting the peer (about a minute)')
        run([str(python), str(script), str(checkout.resolve()), str(exported)], dict(os.environ))
        forced_by_input(exported, out)
        exported.unlink()
    return out


def make_sides(
    recipe: Recipe,
    folder: Path = FILES,
    *,
    peer: Path | None = None,
    peer_python: Path = Path(sys.executable),
    int8: bool = False,
) -> list[Side]:
    """Export what is compared.

    Args:
        recipe: The model of ours.
        folder: Folder for the files; the peer's is kept from an earlier run.
        peer: A checkout of the peer, if that is compared.
        peer_python: Its Python.
        int8: Whether ours is compared in int8 too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sides = []
    if peer:
        sides.append(Side(PEER, PEER, export_peer(peer, peer_python, folder / 'peer.onnx')))
    print('exporting ours (about a minute)')
    model = random_model(recipe)
    ours, plain = folder / 'ours.onnx', folder / 'plain.onnx'
    write_random(model, ours)
    write_plain(model, plain)
    sides += [Side('single', 'single', ours), Side('staged', 'staged', ours)]
    if int8:
        sides.append(Side(INT8, 'single', folder / 'int8.onnx'))
        write_random(model, sides[-1].file, INT8)
    return [*sides, Side(PLAIN, PLAIN, plain)]


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a process printed; ends this one if it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f'{" ".join(command)} failed:\n{done.stderr[-2000:]}')
    return done.stdout


def measure(sides: Sequence[Side], args: argparse.Namespace) -> dict[str, list[Round]]:
    """Run all rounds; what each side's processes found, in the rounds' order."""
    environment = dict(os.environ)
    if not args.tf32:
        environment['NVIDIA_TF32_OVERRIDE'] = '0'
    options = ['--threads', str(args.threads), '--runs', str(args.runs)]
    options += ['--provider', args.provider, '--layers', str(LAYERS)]
    options += ['--cache-dir', str(FILES / 'engines')] + ['--fp16'] * args.fp16
    found: dict[str, list[Round]] = {side.name: [] for side in sides}
    for number in tqdm(range(args.rounds), 'rounds'):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            command = [sys.executable, '-m', 'benchmarks.eevit.one_round']
            command += [side.how, str(side.file), *options]
            figures = json.loads(run(command, environment))
            figures['ms'] = {int(layer): ms for layer, ms in figures['ms'].items()}
            found[side.name].append(figures)
    return found


def weighted(figures: Round) -> float:
    """Mean milliseconds of the thesis' mix of exits."""
    return float(sum(share * figures['ms'][layer] for layer, share in SHARES.items()))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[Cell]:
    """Median ratio of two sides' rounds, and the ends of its interval."""
    return [*median_interval(np.divide(ours, theirs))]


def time_tables(found: Mapping[str, Sequence[Round]]) -> list[Table]:
    """Milliseconds at every exit, and ratios to the peer and to the plain ViT."""
    early = [name for name in found if name != PLAIN]

    def at(name: str, layer: int) -> list[float]:
        return [figures['ms'][layer] for figures in found[name]]

    rows: list[list[Cell]] = []
    for layer, share in SHARES.items():
        rows.append([f'{layer}', share, *(_median(at(name, layer)) for name in early)])
    rows.append(['weighted', 1.0, *(_median([*map(weighted, found[name])]) for name in early)])
    rows.append([PLAIN, None, _median(at(PLAIN, LAYERS)), *[None] * (len(early) - 1)])
    made = [Table('Milliseconds by layers that ran', ['layers', 'share', *early], rows)]

    others = [name for name in early if name != PEER]
    ends = [column for name in others for column in (name, 'low', 'high')]
    if PEER in found:
        rows = [
            [f'{layer}', *(c for n in others for c in ratios(at(n, layer), at(PEER, layer)))]
            for layer in SHARES
        ]
        peer = [*map(weighted, found[PEER])]
        mixed = (ratios([*map(weighted, found[name])], peer) for name in others)
        rows.append(['weighted', *(cell for cells in mixed for cell in cells)])
        made.append(Table('Time as a ratio to the peer', ['layers', *ends], rows))
    full = (ratios(at(name, LAYERS), at(PLAIN, LAYERS)) for name in others)
    rows = [['full depth', *(cell for cells in full for cell in cells)]]
    return [*made, Table('Time as a ratio to the plain ViT', ['', *ends], rows)]


def tables(sides: Sequence[Side], found: Mapping[str, Sequence[Round]]) -> list[Table]:
    """Return the times, and what loading costs."""
    base = PEER if PEER in found else PLAIN
    rows: list[list[Cell]] = []
    for side in sides:
        values = {
            key: [f[key] for f in found[side.name]] for key in ('rss_mb', 'peak_mb', 'load_s')
        }
        rows.append(
            [
                side.name,
                side.file.stat().st_size / 1e6,
                *map(_median, values.values()),
                *ratios(values['rss_mb'], [figures['rss_mb'] for figures in found[base]]),
                *ratios(values['load_s'], [figures['load_s'] for figures in found[base]]),
            ]
        )
    columns = ['', 'file, MB', 'resident, MB', 'peak, MB', 'load, s']
    columns += [f'resident / {base}', 'low', 'high', f'load / {base}', 'low', 'high']
    return [*time_tables(found), Table('One process: memory and time to load', columns, rows)]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def main() -> None:
    """Export, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--peer', type=Path, help='a checkout of the peer')
    parser.add_argument('--peer-python', type=Path, default=Path(sys.executable))
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--runs', type=int, default=2, help='of each exit in a round')
    parser.add_argument('--threads', type=int, default=all_cores())
    parser.add_argument('--provider', choices=PROVIDERS, default='cpu')
    parser.add_argument('--fp16', action='store_true', help='TensorRT in half precision')
    parser.add_argument('--tf32', action='store_true', help='leave TF32 to the libraries')
    add_options(parser, 'beside_eevit')
    args = parser.parse_args()
    if args.fp16 and args.provider != 'tensorrt':
        parser.error('--fp16 needs --provider tensorrt: elsewhere a file is computed as it says')
    if PROVIDERS[args.provider] not in import_onnxruntime().get_available_providers():
        sys.exit(
            f'not measured: this ONNX Runtime has no {PROVIDERS[args.provider]}; install '
            'onnxruntime-gpu on a computer with an NVIDIA GPU'
        )
    if args.peer and not (args.peer / 'eevit' / 'eevit.py').exists():
        parser.error(f'--peer must be a checkout of early_exit_vit. Got {args.peer}')
    computer = machine('onnx', 'torch')
    sides = make_sides(
        load_recipe(RECIPE),
        peer=args.peer,
        peer_python=args.peer_python,
        int8=args.provider == 'cpu',
    )
    notes = [
        f'{args.rounds} rounds, one process for each side and round; {args.threads} threads; '
        f'{args.provider}{", fp16" * args.fp16}. Low and high: 95 % interval of the median ratio '
        'by bootstrap over the rounds.',
        'share: fraction of the CIFAR-100 test images that leave there at threshold 0.8 in the '
        'EEViT thesis, with its trained weights. Here weights are random and exits are forced.',
        'peer and plain: ONNX Runtime with default options. single and staged: our engine in its '
        'two forms. int8: the single form exported with --precision int8.',
    ]
    if not args.peer:
        notes.append('The peer was not measured: no --peer CHECKOUT was given.')
    report = Report('Beside the EEViT thesis', computer, tables(sides, measure(sides, args)), notes)
    report.deliver(args, 'beside_eevit')


if __name__ == '__main__':
    main()
