"""The command `evaluate`: measure a model file on a test set.

Through the engine that runs on the robot, with its wall clock; or, with another policy than the
file's, from all exits' probabilities, which give accuracy, layers and MACs, but no times.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eevit_ros.errors import EevitError
from eevit_ros.policies import NAMES, build_policy
from eevit_ros.policies.operating_point import OperatingPoint, measure_exits, operating_point
from eevit_ros.policies.threshold_search import exits_taken
from model_export.commands.evaluation_tables import figures_table, policy_table
from model_export.commands.outputs import check_out_file, check_out_folder
from model_export.commands.reading_options import add_reading_options, reading_of
from model_export.commands.target_options import check_policy
from model_export.errors import UsageError

if TYPE_CHECKING:
    from eevit_ros.model.engine import ExitResult
    from model_export.data import Dataset, Reading

HELP = 'measure a model file on a test set'
WORST = 5  # classes in the table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('model', type=Path, help='an exported .onnx file')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--out', type=Path, help='write the figures to this JSON file')
    parser.add_argument('--limit', type=int, help='use only so many images, spread over the set')
    add_reading_options(parser)
    parser.add_argument(
        '--policy',
        help=f"another than the file's: {', '.join(NAMES)}; accuracy and MACs, no wall clock",
    )
    parser.add_argument(
        '--thresholds', type=float, nargs='+', help='with --policy: one, or one for each exit'
    )


def run(args: argparse.Namespace) -> None:
    """Do what the command line says.

    Raises:
        UsageError: `--policy` is unknown or comes without `--thresholds` or the other way round,
            `--limit` is below 1, or `--out` cannot be written.
        ModelExportError: The evaluation fails.
    """
    if (args.policy is None) != (args.thresholds is None):
        raise UsageError('--policy and --thresholds go together; without, the file decides')
    if args.policy is not None:
        check_policy(args.policy)
    if args.limit is not None and args.limit < 1:
        raise UsageError(f'--limit must be at least 1. Got {args.limit}')
    if args.out:
        check_out_folder(args.out.parent)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        check_out_file(args.out)
    reading = reading_of(args)
    if args.policy is None:
        from model_export.calibration.warnings import warn_of_lost_accuracy

        figures = evaluate(args.model, args.data, limit=args.limit, reading=reading)
        print(figures_table(figures))
        warn_of_lost_accuracy(
            figures['accuracy'], figures['accuracy_full_depth'], figures['images']
        )
    else:
        figures = evaluate_policy(
            args.model,
            args.data,
            policy_name=args.policy,
            thresholds=args.thresholds,
            limit=args.limit,
            reading=reading,
        )
        print(policy_table(figures))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + '\n')
        print(f'wrote {args.out}')


def evaluate(model: Path, data: Path, *, limit: int | None, reading: Reading) -> dict[str, Any]:
    """Run every test image three ways and return the figures.

    The three ways: with the file's thresholds, to full depth (thresholds of 1), and to the single
    fixed exit that costs at least as many MACs. The first two alternate image by image, so that
    their times compare on a noisy machine.

    Args:
        model: The `.onnx` file.
        data: Folder of the data set; its test split is used.
        limit: Most images to use, spread over the set; None uses all.
        reading: How the data are read.

    Raises:
        ModelExportError: The data set has other classes than the model.
        EevitError: The model cannot be read or run.
    """
    from eevit_ros.model.compute import Compute, all_cores
    from eevit_ros.model.engine import Engine
    from model_export.data import check_classes, load_split
    from model_export.network.macs import macs_alone
    from model_export.progress import progress

    engine = Engine(model, compute=Compute(threads=all_cores()))
    engine.warm_up()
    meta = engine.metadata
    test = load_split(data, 'test', meta.input_height, reading)
    check_classes(test, meta.class_names, data)
    test = test.spread(limit or len(test))
    defaults, promise = engine.thresholds, engine.promise
    exits = len(defaults)
    early: list[ExitResult] = []
    full: list[ExitResult] = []
    for image in progress(test.images, 'early exit and full depth'):
        engine.thresholds = defaults
        early.append(engine.run(image))
        engine.thresholds = 1.0
        full.append(engine.run(image))

    taken = np.array([result.exit_index for result in early])
    mean_macs = float(np.array(meta.macs)[taken].mean())
    alone = np.array(macs_alone(meta.macs, meta.head_macs))
    fixed_exit = int(np.argmax(alone >= mean_macs)) if alone[-1] >= mean_macs else exits
    engine.thresholds = [float(i < fixed_exit) for i in range(exits)]
    fixed = [engine.run(image) for image in progress(test.images, 'fixed exit')]

    right = np.zeros((exits + 1, len(test)), bool)
    right[taken, np.arange(len(test))] = _right(early, test)
    result = operating_point(right, taken, meta.answer_layers, meta.macs, meta.backbone_macs)
    return {
        'model': meta.name,
        'sha256': engine.sha256,
        'images': len(test),
        'policy': meta.policy,
        'thresholds': defaults,
        'promise': promise,
        'accuracy': result.accuracy,
        'accuracy_full_depth': float(_right(full, test).mean()),
        'fixed_exit': {
            'layer': meta.answer_layers[fixed_exit],
            'accuracy': float(_right(fixed, test).mean()),
            'macs': int(alone[fixed_exit]),
        },
        'mean_macs': mean_macs,
        'backbone_macs': meta.backbone_macs,
        'speedup_layers': result.speedup_layers,
        'speedup_macs': result.speedup_macs,
        'speedup_wall_clock': _milliseconds(full).mean() / _milliseconds(early).mean(),
        'mean_ms': float(_milliseconds(early).mean()),
        'full_depth_ms': float(_milliseconds(full).mean()),
        'exits': _per_exit(early, taken, result, meta.answer_layers),
        'worst_classes': _worst_classes(
            np.array([one.class_index for one in early]), test.labels, meta.class_names
        ),
    }


def evaluate_policy(
    model: Path,
    data: Path,
    *,
    policy_name: str,
    thresholds: Sequence[float],
    limit: int | None,
    reading: Reading,
) -> dict[str, Any]:
    """Return what another policy would answer, from all exits' probabilities.

    Args:
        model: The `.onnx` file.
        data: Folder of the data set; its test split is used.
        policy_name: One of `eevit_ros.policies.NAMES`.
        thresholds: One for all exits, or E; never chosen on the test set.
        limit: Most images to use, spread over the set; None uses all.
        reading: How the data are read.

    Raises:
        ModelExportError: The data set has other classes than the model.
        EevitError: The policy or the thresholds do not fit the model.
    """
    from eevit_ros.model.engine import Engine, check_thresholds
    from model_export.measuring.answers import answers

    exits = len(Engine(model).metadata.exit_layers)
    try:
        values = check_thresholds(thresholds, exits)
    except EevitError as err:
        raise UsageError(f'--thresholds: {err}') from err
    found = answers(model, data, 'test', limit, reading=reading)
    meta = found.metadata
    measures = measure_exits(
        build_policy(policy_name, meta.accuracy), np.clip(found.probabilities, 0, 1)
    )
    right = measures.answer == found.labels
    taken = exits_taken(measures.measure, np.array(values, np.float32))
    result = operating_point(right, taken, meta.answer_layers, meta.macs, meta.backbone_macs)
    return {
        'model': meta.name,
        'images': len(found.labels),
        'policy': policy_name,
        'thresholds': values,
        'accuracy': result.accuracy,
        'accuracy_full_depth': float(right[-1].mean()),
        'speedup_layers': result.speedup_layers,
        'speedup_macs': result.speedup_macs,
        'exits': [
            {'layer': layer, 'share': share, 'accuracy': accuracy}
            for layer, share, accuracy in zip(
                meta.answer_layers, result.share, result.exit_accuracy, strict=True
            )
        ],
        'worst_classes': _worst_classes(
            measures.answer[taken, np.arange(len(found.labels))], found.labels, meta.class_names
        ),
    }


def _right(results: list[ExitResult], data: Dataset) -> npt.NDArray[np.bool_]:
    answers = np.array([result.class_index for result in results])
    return np.asarray(answers == data.labels)


def _milliseconds(results: list[ExitResult]) -> npt.NDArray[np.float64]:
    return np.array([result.inference_ms for result in results])


def _per_exit(
    results: list[ExitResult],
    taken: npt.NDArray[np.int64],
    result: OperatingPoint,
    layers: tuple[int, ...],
) -> list[dict[str, Any]]:
    times = _milliseconds(results)
    rows = []
    for index, layer in enumerate(layers):
        here = times[taken == index]
        rows.append(
            {
                'layer': layer,
                'share': result.share[index],
                'accuracy': result.exit_accuracy[index],
                'p50_ms': float(np.percentile(here, 50)) if here.size else None,
                'p99_ms': float(np.percentile(here, 99)) if here.size else None,
            }
        )
    return rows


def _worst_classes(
    answers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return the classes that are answered worst, and what they are mostly taken for."""
    rows = []
    for label in np.unique(labels):
        said = answers[labels == label]
        wrong = said[said != label]
        if wrong.size:
            mostly = names[int(np.bincount(wrong).argmax())]
            accuracy = 1 - wrong.size / said.size
            rows.append(
                {
                    'class': names[label],
                    'images': said.size,
                    'accuracy': accuracy,
                    'taken_for': mostly,
                }
            )
    return sorted(rows, key=lambda row: row['accuracy'])[:WORST]
