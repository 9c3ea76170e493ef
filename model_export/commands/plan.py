"""The command `plan`: where the exits of a recipe could be, before it is trained."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = 'propose exits for a recipe, before it is trained'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('recipe', type=Path, help='YAML recipe; its exits may be missing')
    parser.add_argument('--exits', type=int, required=True, help='how many')
    parser.add_argument(
        '--scheme',
        default='uniform',
        help='uniform: equal steps of MACs (default); shallow, middle or deep: neighbouring layers',
    )
    parser.add_argument('--first', type=int, help='layer of the first exit (scheme uniform)')


def run(args: argparse.Namespace) -> None:
    """Print a plan for the recipe's backbone, ready to paste."""
    from model_export.planner import costs, exits_yaml, load_backbone, place, table

    backbone, num_classes = load_backbone(args.recipe)
    exits = place(backbone, args.exits, args.scheme, first=args.first, num_classes=num_classes)
    print(table(costs(backbone, num_classes), exits))
    print(f'\n{exits_yaml(exits)}')
