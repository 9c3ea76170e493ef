"""Ours beside the EEViT thesis' exported file: time at every exit, or memory and time to load.

    python -m benchmarks.beside_eevit --peer CHECKOUT --peer-python PYTHON
    python -m benchmarks.beside_eevit --peer CHECKOUT --peer-python PYTHON --runs 0

The second measures loading alone.

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
import os
import sys
from functools import partial
from pathlib import Path

import onnx

from benchmarks.busy_loops import busy_loops
from benchmarks.eevit.rounds import (
    FILES,
    PEER,
    PLAIN,
    RoundError,
    Side,
    loading_table,
    measure,
    run,
    time_tables,
)
from benchmarks.random_file import random_model, write_plain, write_random
from benchmarks.report_file import Report, add_options, machine
from eevit_ros.model.compute import PROVIDERS, all_cores
from eevit_ros.model.ort_session import import_onnxruntime
from eevit_ros.parameters.classifier import demo_model
from harness.paths import ROOT
from model_export.export.onnx_writer import INT8
from model_export.recipe.recipe import Recipe, load_recipe

RECIPE = ROOT / 'config' / 'recipes' / 'lgvit_vit_b16.yaml'


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


def main() -> None:
    """Export, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--peer', type=Path, help='a checkout of the peer')
    parser.add_argument('--peer-python', type=Path, default=Path(sys.executable))
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument(
        '--runs', type=int, default=2, help='of each exit in a round; 0 measures loading alone'
    )
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
    try:
        sides = make_sides(
            load_recipe(RECIPE),
            peer=args.peer,
            peer_python=args.peer_python,
            int8=args.provider == 'cpu',
        )
    except RoundError as err:
        sys.exit(str(err))
    if not args.runs:
        ours = next(side.file for side in sides if side.name == 'single')
        sides += [
            Side('single in plain', PLAIN, ours),
            Side('demo model', 'single', demo_model()),
            Side('demo model in plain', PLAIN, demo_model()),
        ]
    rounds = partial(
        measure,
        sides,
        provider=args.provider,
        rounds=args.rounds,
        runs=args.runs,
        threads=args.threads,
        fp16=args.fp16,
        tf32=args.tf32,
    )
    found, lost = rounds()
    busy = None
    if args.runs and args.provider == 'cpu' and not lost:
        with busy_loops(args.threads):
            busy, lost = rounds()
    if lost:
        sys.exit('\n'.join(lost.values()))
    notes = [
        f'{args.rounds} rounds, one process for each side and round; {args.threads} threads; '
        f'{args.provider}{", fp16" * args.fp16}. Low and high: 95 % interval of the median ratio '
        'by bootstrap over the rounds.',
        'peer and plain: ONNX Runtime with default options. single and staged: our engine in its '
        'two forms. int8: the single form exported with --precision int8.',
    ]
    if args.runs:
        notes.append(
            'share: fraction of the CIFAR-100 test images that leave there at threshold 0.8 in the '
            'EEViT thesis, with its trained weights. Here weights are random and exits are forced.'
        )
        if busy is not None:
            notes.append(f'busy: once more, beside {args.threads} other processes that never rest.')
    else:
        notes.append(
            'Time until the model can be run; our engine has then checked and hashed the file and '
            'run it once. Memory after each exit has run once.'
        )
    if not args.peer:
        notes.append('The peer was not measured: no --peer CHECKOUT was given.')
    if args.runs:
        report = Report('Beside the EEViT thesis', computer, time_tables(found, busy), notes)
        report.deliver(args, 'beside_eevit')
    else:
        report = Report('Loading', computer, [loading_table(sides, found)], notes)
        report.deliver(args, 'loading')


if __name__ == '__main__':
    main()
