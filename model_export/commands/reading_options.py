"""The options that say how a folder of images is read."""

from __future__ import annotations

import argparse

from model_export.data import Reading
from model_export.data.groups import BY

GROUP_BY_HELP = f'images that belong together and stay on one side: {BY}'


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add `--group-by` and `--skip-damaged`."""
    parser.add_argument('--group-by', metavar='HOW', help=GROUP_BY_HELP)
    parser.add_argument(
        '--skip-damaged',
        action='store_true',
        help='leave out images that cannot be decoded, and say how many',
    )


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how the data are read."""
    return Reading(args.group_by, args.skip_damaged)
