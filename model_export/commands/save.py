"""The command `save`: the weights of a run at half size, to keep or to share."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a run's weights at half size, or the average of several runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        'runs',
        nargs='+',
        type=Path,
        metavar='run',
        help='folder of a training run or of saved weights; of several, which began with the same '
        'weights, the average',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder for the weights')


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    from model_export.weights.average import load_average
    from model_export.weights.stored import reading_of, save_weights, trained_on

    first: Path = args.runs[0]
    model, class_names = load_average(args.runs)
    _, data = trained_on(first)
    save_weights(model, class_names, data, args.out, reading_of(first))
    print(f'wrote {args.out}: export takes it in place of the run, train --init starts from it')
