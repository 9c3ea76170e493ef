"""The workstation's commands: `python -m model_export train | save | export | evaluate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from eevit_ros.errors import EevitError
from model_export.errors import ModelExportError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except (ModelExportError, EevitError, OSError) as err:
        print(f'error: {err}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = args.command is _train
        print(
            '\nstopped' + '; the same command goes on from the last checkpoint' * goes_on,
            file=sys.stderr,
        )
        return 130
    return 0


def _train(args: argparse.Namespace) -> None:
    from model_export.commands import train

    train(args.recipe, args.data, args.out, init=args.init)


def _export(args: argparse.Namespace) -> None:
    from model_export.commands import export

    export(args.run, args.data, args.out, max_drop=args.max_drop)


def _save(args: argparse.Namespace) -> None:
    from model_export.commands import save

    save(args.run, args.out)


def _evaluate(args: argparse.Namespace) -> None:
    from model_export.evaluate import evaluate

    evaluate(args.model, args.data, args.out, limit=args.limit)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m model_export', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    train = commands.add_parser('train', help='train a recipe; continues after a kill')
    train.add_argument('recipe', type=Path, help='YAML recipe, see config/recipes/')
    train.add_argument('--data', type=Path, required=True, help='folder with the data set')
    train.add_argument('--out', type=Path, required=True, help='folder of the run')
    train.add_argument(
        '--init',
        type=Path,
        help='start from the backbone of a run, of saved weights, or of a DINOv2 ONNX file',
    )
    train.set_defaults(command=_train)

    save = commands.add_parser('save', help="write a run's weights at half size")
    save.add_argument('run', type=Path, help='folder of a training run')
    save.add_argument('--out', type=Path, required=True, help='folder for the weights')
    save.set_defaults(command=_save)

    export = commands.add_parser('export', help='calibrate a run and write one ONNX file')
    export.add_argument('run', type=Path, help='folder of a training run or of saved weights')
    export.add_argument('--data', type=Path, required=True, help='the data the run trained on')
    export.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    export.add_argument(
        '--max-drop',
        type=float,
        default=0.005,
        help='accuracy to give up on held-out images (default %(default)s)',
    )
    export.set_defaults(command=_export)

    evaluate = commands.add_parser('evaluate', help='measure a model file on a test set')
    evaluate.add_argument('model', type=Path, help='an exported .onnx file')
    evaluate.add_argument('--data', type=Path, required=True, help='folder with the data set')
    evaluate.add_argument('--out', type=Path, help='write the figures to this JSON file')
    evaluate.add_argument('--limit', type=int, help='use only so many images, spread over the set')
    evaluate.set_defaults(command=_evaluate)
    return parser


if __name__ == '__main__':
    sys.exit(main())
