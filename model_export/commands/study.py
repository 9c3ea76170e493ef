"""The command `study`: one study, all of them, or the document that collects them."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.reporting.host_info import describe_machine
from model_export.commands.outputs import check_out_folder
from model_export.errors import ModelExportError
from model_export.studies.registry import STUDIES, StudyInputs, missing_inputs, run_study
from model_export.studies.report import collect, write_study

HELP = 'study a model: tables, plots, docs/studies.md'
PATHS = ('model', 'plan', 'weights', 'data', 'cache')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, the same for all studies; each takes what it needs."""
    parser.add_argument(
        'study', choices=(*STUDIES, 'all', 'collect'), help='which; collect writes OUT.md from OUT'
    )
    parser.add_argument('--model', type=Path, help='an exported .onnx file')
    parser.add_argument(
        '--weights', type=Path, help='a training run, saved weights, or (cost only) a recipe'
    )
    parser.add_argument('--data', type=Path, help='folder with the data set')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('docs/studies'),
        help='folder for the results (default %(default)s); for platform also a .json file: '
        'measure this machine only',
    )
    parser.add_argument('--limit', type=int, help='use only so many images, to try it out')
    parser.add_argument(
        '--cache', type=Path, help="folder that keeps a model's answers from study to study"
    )
    parser.add_argument('--machine', help='platform: a name for this machine')
    parser.add_argument(
        '--merge', type=Path, nargs='+', default=[], help='platform: files of machines, no new run'
    )
    parser.add_argument(
        '--images',
        type=int,
        help='heads, placement: training images of each head, if not as many as is usual',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        help='heads, placement: how often each of them is seen, if not as often as is usual',
    )
    parser.add_argument('--plan', type=Path, help='schemes: YAML file, see config/comparison/')
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        default=[],
        help='schemes: train and measure with these seeds what is not yet; without them, only '
        'write the tables',
    )


def run(args: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        ModelExportError: An input is missing or wrong, or a study of `all` failed.
    """
    inputs = StudyInputs(
        out=args.out,
        model=args.model,
        weights=args.weights,
        data=args.data,
        limit=args.limit,
        cache=args.cache,
        machine=args.machine,
        merge=tuple(args.merge),
        images=args.images,
        epochs=args.epochs,
        plan=args.plan,
        seeds=tuple(args.seeds),
    )
    if args.study == 'platform' and args.out.suffix == '.json':
        from model_export.studies.platform.machines import write_machine

        write_machine(inputs)
    elif args.study == 'collect':
        _collect(args.out)
    elif args.study == 'all':
        check_out_folder(args.out)
        _all(inputs)
    else:
        check_out_folder(args.out)
        _one(args.study, inputs)


def _one(name: str, inputs: StudyInputs) -> None:
    machine = describe_machine()
    found = run_study(name, inputs)
    write_study(found, inputs.out, command=_command(name, inputs), machine=machine)
    print(f'wrote {inputs.out / name}.md')


def _all(inputs: StudyInputs) -> None:
    """Run every study that has its inputs; one that fails does not cost the others."""
    failed = []
    for name, entry in STUDIES.items():
        if entry.apart:
            print(f'study {name}: skipped, it needs a model of another task; run it by itself')
            continue
        missing = missing_inputs(name, inputs)
        if missing:
            print(f'study {name}: skipped, it needs --{" --".join(missing)}')
            continue
        print(f'study {name}')
        try:
            _one(name, inputs)
        except (ModelExportError, EevitError, OSError) as err:
            print(f'error: study {name}: {err}', file=sys.stderr)
            failed.append(name)
    _collect(inputs.out)
    if failed:
        raise ModelExportError(f'studies that failed: {", ".join(failed)}; the others are written')


def _collect(out: Path) -> None:
    document = out.parent / f'{out.name}.md'
    collect(out, document, tuple(STUDIES))
    print(f'wrote {document}')


def _command(name: str, inputs: StudyInputs) -> str:
    """Return the command that gives these figures again, without this machine's folders."""
    words = ['python -m model_export study', name]
    for option in PATHS:
        path = getattr(inputs, option)
        if path is not None and option in (*STUDIES[name].needs, *STUDIES[name].takes):
            words.append(f'--{option} {shlex.quote(_portable(path))}')
    if inputs.merge:
        words.append(f'--merge {shlex.join(_portable(path) for path in inputs.merge)}')
    if inputs.seeds:
        words.append(f'--seeds {" ".join(map(str, inputs.seeds))}')
    for option in ('images', 'epochs'):
        if option in STUDIES[name].takes and getattr(inputs, option) is not None:
            words.append(f'--{option} {getattr(inputs, option)}')
    if inputs.limit is not None:
        words.append(f'--limit {inputs.limit}')
    return ' '.join([*words, f'--out {shlex.quote(_portable(inputs.out))}'])


def _portable(path: Path) -> str:
    return path.name if path.is_absolute() else str(path)
