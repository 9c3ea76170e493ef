"""The command `thresholds`: a model's whole trade-off, every policy, the best for a target.

Thresholds are chosen on one half of held-out images; every figure is of the other half, which had
no part in the choice.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from eevit_ros.policies import NAMES, STATELESS
from model_export.calibration.choose import Target, choose, choose_with_promise, why_no_promise
from model_export.commands.outputs import check_out_folder
from model_export.commands.reading_options import add_reading_options, reading_of
from model_export.commands.target_options import add_target_options, check_policy, target_of
from model_export.errors import ModelExportError, UsageError

if TYPE_CHECKING:
    from model_export.data import Reading

HELP = 'show the whole trade-off, all policies, and the best for a target'
ROUNDS = 300  # of timing every exit, for a 99th percentile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('source', type=Path, help='a run, saved weights, or an .onnx file')
    parser.add_argument('--data', type=Path, required=True, help='folder with the data set')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--split', help='of an .onnx file: images that it was not trained on, as validation'
    )
    add_reading_options(parser)
    target = add_target_options(parser, NAMES)
    target.add_argument(
        '--p99-ms', type=float, help='of an .onnx file: 99 %% of frames within this'
    )


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    thresholds(
        args.source,
        args.data,
        args.out,
        target=target_of(args),
        policy_name=args.policy,
        split=args.split,
        reading=reading_of(args),
    )


def thresholds(
    path: Path,
    data: Path,
    out: Path,
    *,
    target: Target,
    policy_name: str,
    split: str | None,
    reading: Reading,
) -> tuple[float, ...]:
    """Show the trade-off, choose thresholds, and write both into the folder `out`.

    Args:
        path: Training run, saved weights, or `.onnx` file.
        data: Folder of the data set.
        out: Folder for `trade_off.md`, `.json` and pictures, and for the node's `thresholds.yaml`
            if a model file can hold the policy.
        target: Target to reach.
        policy_name: One of `eevit_ros.policies.NAMES`.
        split: Split of the data to use with an `.onnx` file; a run knows what it held out.
        reading: How the data are read with an `.onnx` file; a run knows that, too.

    Returns:
        Thresholds that were chosen.

    Raises:
        ModelExportError: The target cannot be reached, or an option does not fit.
        EevitError: There is no such policy.
    """
    from eevit_ros.model.compute import Compute
    from eevit_ros.model.engine import Engine
    from model_export.measuring.timing import time_exits
    from model_export.studies.report import write_study
    from model_export.studies.thresholds.held_out_answers import answers_of_file, answers_of_run
    from model_export.studies.thresholds.trade_off import NAME, trade_off

    check_policy(policy_name)
    is_file = path.suffix.lower() == '.onnx'
    if target.p99_ms is not None and not is_file:
        raise UsageError('--p99-ms is measured on this machine: it needs an .onnx file')
    if is_file != (split is not None):
        raise UsageError(
            'an .onnx file needs --split, the images that it was not trained on; a run knows which '
            f'it held out and takes none. Got {path} and --split {split}'
        )
    check_out_folder(out)
    times = None
    if target.p99_ms is not None:
        times = time_exits([Engine(path, compute=Compute(provider='cpu'))], ROUNDS)[:, 0].T
    held_out = answers_of_file(path, data, split, reading) if split else answers_of_run(path, data)
    first, second = held_out.halves
    known = held_out.measured_by(policy_name)
    to_choose, to_test = known.subset(first), known.subset(second)
    if target.risk is not None:
        found = choose_with_promise(to_choose, to_test, target.risk, target.delta)
        if found is None:
            why = why_no_promise(len(second), target.risk, target.delta)
            raise ModelExportError(f'{target}: cannot be promised: {why}')
    else:
        found = choose(to_choose, target, times)
    study = trade_off(held_out, policy_name, target, found, path, times)
    source_option = f' --split {split}' if split else ''
    write_study(
        study,
        out,
        command=f'python -m model_export thresholds {path} --data {data}{source_option} '
        f'--policy {policy_name} {target.options()} --out {out}',
    )
    if policy_name in STATELESS:
        _write_parameters(out / 'thresholds.yaml', found, study.title)
    print(study.text + f'\nwrote {out / NAME}.md, .json and pictures')
    return found


def _write_parameters(path: Path, chosen: tuple[float, ...], title: str) -> None:
    """Write the node's parameter file with these thresholds."""
    values = ', '.join(repr(float(value)) for value in chosen)
    path.write_text(
        f'# {title}: see trade_off.md beside this file.\n'
        f'/**:\n  ros__parameters:\n    thresholds: [{values}]\n'
    )
