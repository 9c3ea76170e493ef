"""The command `save`: the weights of a run at half size, to keep or to share."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a run's weights at half size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('run', type=Path, help='folder of a training run')
    parser.add_argument('--out', type=Path, required=True, help='folder for the weights')


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    from model_export.weights.stored import load_model, reading_of, save_weights, trained_on

    model, class_names = load_model(args.run, task=None)
    _, data = trained_on(args.run)
    save_weights(model, class_names, data, args.out, reading_of(args.run))
    print(f'wrote {args.out}: export takes it in place of the run, train --init starts from it')
