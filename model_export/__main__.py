"""The workstation's commands: `python -m model_export COMMAND`, from recipe to study."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from eevit_ros.errors import EevitError
from eevit_ros.policies import NAMES, STATELESS
from model_export.calibration.choose import DELTA, MAX_DROP, Target
from model_export.commands.study import add_arguments
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
    from model_export.commands.train_export_save import train

    train(args.recipe, args.data, args.out, init=args.init)


def _export(args: argparse.Namespace) -> None:
    from model_export.commands.train_export_save import export

    export(
        args.run,
        args.data,
        args.out,
        target=_target(args),
        policy_name=args.policy,
        precision=args.precision,
    )


def _export_regression(args: argparse.Namespace) -> None:
    from model_export.regression.export import export

    export(args.run, args.data, args.out, max_rise=args.max_rise)


def _counting(args: argparse.Namespace) -> None:
    from model_export.regression.counting_set import make_counting_set

    make_counting_set(
        args.data, args.out, train=args.train, test=args.test, size=args.size, seed=args.seed
    )


def _thresholds(args: argparse.Namespace) -> None:
    from model_export.commands.thresholds.command import thresholds

    thresholds(
        args.source,
        args.data,
        args.out,
        target=_target(args),
        policy_name=args.policy,
        split=args.split,
    )


def _save(args: argparse.Namespace) -> None:
    from model_export.commands.train_export_save import save

    save(args.run, args.out)


def _evaluate(args: argparse.Namespace) -> None:
    if (args.policy is None) != (args.thresholds is None):
        raise ModelExportError('--policy and --thresholds go together; without, the file decides')
    if args.policy is not None:
        from model_export.commands.evaluate_policy import evaluate_policy

        evaluate_policy(
            args.model,
            args.data,
            args.out,
            policy_name=args.policy,
            thresholds=args.thresholds,
            limit=args.limit,
        )
        return
    from model_export.commands.evaluate import evaluate

    evaluate(args.model, args.data, args.out, limit=args.limit)


def _target(args: argparse.Namespace) -> Target:
    given = {
        name: getattr(args, name, None) for name in ('max_drop', 'min_speedup', 'p99_ms', 'risk')
    }
    if all(value is None for value in given.values()):
        given['max_drop'] = MAX_DROP
    return Target(**given, delta=args.delta)


def _add_target(
    parser: argparse.ArgumentParser, names: Iterable[str]
) -> argparse._MutuallyExclusiveGroup:
    parser.add_argument(
        '--policy',
        default='softmax',
        help=f'what is compared with a threshold, one of {", ".join(names)} (default %(default)s)',
    )
    parser.add_argument(
        '--delta', type=float, default=DELTA, help='with --risk (default %(default)s)'
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        '--max-drop',
        type=float,
        help=f'accuracy to give up on held-out images (default {MAX_DROP})',
    )
    target.add_argument('--min-speedup', type=float, help='how many times fewer MACs at least')
    target.add_argument(
        '--risk', type=float, help='accuracy lost at most, promised with a chance of 1 - delta'
    )
    return target


def _study(args: argparse.Namespace) -> None:
    from model_export.commands.study import study

    study(args)


def _plan(args: argparse.Namespace) -> None:
    from model_export.planner import plan

    plan(args.recipe, args.exits, args.scheme, args.first)


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
        help="start from trained weights: ours, or a file or folder of other people's",
    )
    train.set_defaults(command=_train)

    plan = commands.add_parser('plan', help='propose exits for a recipe, before it is trained')
    plan.add_argument('recipe', type=Path, help='YAML recipe; its exits may be missing')
    plan.add_argument('--exits', type=int, required=True, help='how many')
    plan.add_argument(
        '--scheme',
        default='uniform',
        help='uniform: equal steps of MACs (default); shallow, middle or deep: neighbouring layers',
    )
    plan.add_argument('--first', type=int, help='layer of the first exit (scheme uniform)')
    plan.set_defaults(command=_plan)

    save = commands.add_parser('save', help="write a run's weights at half size")
    save.add_argument('run', type=Path, help='folder of a training run')
    save.add_argument('--out', type=Path, required=True, help='folder for the weights')
    save.set_defaults(command=_save)

    export = commands.add_parser('export', help='calibrate a run and write one ONNX file')
    export.add_argument('run', type=Path, help='folder of a training run or of saved weights')
    export.add_argument('--data', type=Path, required=True, help='the data the run trained on')
    export.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    export.add_argument(
        '--precision',
        choices=('fp32', 'fp16', 'int8'),
        default='fp32',
        help='int8 is the quickest on a CPU, fp16 is for GPUs without TensorRT (default fp32)',
    )
    _add_target(export, STATELESS)
    export.set_defaults(command=_export)

    numbers = commands.add_parser(
        'export-regression', help='the same for a run of task regression: choose its tolerances'
    )
    numbers.add_argument('run', type=Path, help='folder of a training run or of saved weights')
    numbers.add_argument('--data', type=Path, required=True, help='the data the run trained on')
    numbers.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    numbers.add_argument(
        '--max-rise',
        type=float,
        default=0.02,
        help="mean absolute error to add on held-out images, as a share of the final exit's "
        '(default %(default)s)',
    )
    numbers.set_defaults(command=_export_regression)

    counting = commands.add_parser(
        'counting', help='make a small counting set of CIFAR-100, to try regression'
    )
    counting.add_argument('--data', type=Path, required=True, help='folder with CIFAR-100')
    counting.add_argument('--out', type=Path, required=True, help='a new folder for the set')
    counting.add_argument('--train', type=int, default=4000, help='images (default %(default)s)')
    counting.add_argument('--test', type=int, default=1000, help='images (default %(default)s)')
    counting.add_argument('--size', type=int, default=84, help='pixels (default %(default)s)')
    counting.add_argument('--seed', type=int, default=0, help='default %(default)s')
    counting.set_defaults(command=_counting)

    choosing = commands.add_parser(
        'thresholds', help='show the whole trade-off, all policies, and the best for a target'
    )
    choosing.add_argument('source', type=Path, help='a run, saved weights, or an .onnx file')
    choosing.add_argument('--data', type=Path, required=True, help='folder with the data set')
    choosing.add_argument('--out', type=Path, required=True, help='folder for the results')
    choosing.add_argument(
        '--split', help='of an .onnx file: images that it was not trained on, as validation'
    )
    p99 = _add_target(choosing, NAMES)
    p99.add_argument('--p99-ms', type=float, help='of an .onnx file: 99 %% of frames within this')
    choosing.set_defaults(command=_thresholds)

    evaluate = commands.add_parser('evaluate', help='measure a model file on a test set')
    evaluate.add_argument('model', type=Path, help='an exported .onnx file')
    evaluate.add_argument('--data', type=Path, required=True, help='folder with the data set')
    evaluate.add_argument('--out', type=Path, help='write the figures to this JSON file')
    evaluate.add_argument('--limit', type=int, help='use only so many images, spread over the set')
    evaluate.add_argument(
        '--policy',
        help=f"another than the file's: {', '.join(NAMES)}; accuracy and MACs, no wall clock",
    )
    evaluate.add_argument(
        '--thresholds', type=float, nargs='+', help='with --policy: one, or one for each exit'
    )
    evaluate.set_defaults(command=_evaluate)

    study = commands.add_parser('study', help='study a model: tables, plots, docs/studies.md')
    add_arguments(study)
    study.set_defaults(command=_study)
    return parser


if __name__ == '__main__':
    sys.exit(main())
