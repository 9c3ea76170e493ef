"""The command `export-regression`: from a trained regression to one ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_export.commands.outputs import check_out_file

HELP = 'the same for a run of task regression: choose its tolerances'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('run', type=Path, help='folder of a training run or of saved weights')
    parser.add_argument('--data', type=Path, required=True, help='the data the run trained on')
    parser.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    parser.add_argument(
        '--max-rise',
        type=float,
        default=0.02,
        help="mean absolute error to add on held-out images, as a share of the final exit's "
        '(default %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    from model_export.regression.export import export

    check_out_file(args.out)
    export(args.run, args.data, args.out, max_rise=args.max_rise)
