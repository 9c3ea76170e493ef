"""The command `counting`: a small counting set made of CIFAR-100, to try regression."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'make a small counting set of CIFAR-100, to try regression'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('--data', type=Path, required=True, help='folder with CIFAR-100')
    parser.add_argument('--out', type=Path, required=True, help='a new folder for the set')
    parser.add_argument('--train', type=int, default=4000, help='images (default %(default)s)')
    parser.add_argument('--test', type=int, default=1000, help='images (default %(default)s)')
    parser.add_argument('--size', type=int, default=84, help='pixels (default %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='default %(default)s')


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    from model_export.regression.counting_set import make_counting_set

    make_counting_set(
        args.data, args.out, train=args.train, test=args.test, size=args.size, seed=args.seed
    )
