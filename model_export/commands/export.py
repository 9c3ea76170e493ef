"""The command `export`: calibrate a run and write it as one checked ONNX file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies import STATELESS
from model_export.calibration.choose import Target
from model_export.commands.outputs import check_out_file
from model_export.commands.target_options import add_target_options, target_of
from model_export.errors import UsageError

HELP = 'calibrate a run and write one ONNX file'
PRECISIONS = ('fp32', 'fp16', 'int8')


HELD_OUT = 'held out of the training data'
MOST_DEGRADED = 5000  # images, which are in memory at the model's size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('run', type=Path, help='folder of a training run or of saved weights')
    parser.add_argument('--data', type=Path, required=True, help='the data the run trained on')
    parser.add_argument('--out', type=Path, required=True, help='the .onnx file to write')
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help='int8 is the quickest on a CPU, fp16 is for GPUs without TensorRT (default fp32)',
    )
    parser.add_argument(
        '--split',
        choices=('validation',),
        help='calibrate on this split in place of the held-out images',
    )
    add_target_options(parser, STATELESS)


def run(args: argparse.Namespace) -> None:
    """Do what the command line says."""
    export(
        args.run,
        args.data,
        args.out,
        target=target_of(args),
        policy_name=args.policy,
        precision=args.precision,
        split=args.split,
    )


def export(
    run: Path,
    data: Path,
    out: Path,
    *,
    target: Target,
    policy_name: str = 'softmax',
    precision: str = PRECISIONS[0],
    split: str | None = None,
) -> None:
    """Calibrate a trained run on its held-out images and write it as one checked ONNX file.

    With a split, its images take the place of those held out. With a promise as the target,
    temperatures and the family of thresholds come from one half of these images, and the promise is
    tested on the other. In another precision than fp32, all is chosen on what the graph of that
    precision answers, on the CPU.
    """
    from model_export.calibration.degrade import degraded
    from model_export.calibration.exit_settings import choose_exit_settings
    from model_export.calibration.held_out import answer_held_out, halves
    from model_export.calibration.temperatures import calibrate, calibrated
    from model_export.calibration.warnings import (
        warn_of_depth,
        warn_of_one_exit,
        warn_of_temperatures,
    )
    from model_export.data import RULE, evaluation_batch
    from model_export.export.check import check, check_forms
    from model_export.export.onnx_writer import FP32, round_weights_to_half, write
    from model_export.export.precision import agreement, answer_all, to_logits, to_precision
    from model_export.network.fold import divide_by_temperatures
    from model_export.network.macs import count_macs
    from model_export.network.predict import logits_of

    if policy_name not in STATELESS:
        raise UsageError(
            f'--policy must be one of {tuple(STATELESS)}: a file decides exit by exit, with no '
            f'memory. Got {policy_name!r}'
        )
    check_out_file(out)
    held = answer_held_out(run, data, split)
    model, recipe = held.model, held.model.recipe
    images, size = len(held.images), recipe.backbone.image_size
    macs, exits = count_macs(model), len(model.exit_layers)
    metadata = ModelMetadata(
        name=recipe.name,
        class_names=held.class_names,
        exit_layers=model.exit_layers,
        layers=recipe.backbone.layers,
        input_height=size,
        input_width=size,
        resize=RULE,
        default_thresholds=(1.0,) * exits,
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        accuracy=(0.0,) * (exits + 1),
        accuracy_data=f'{images} images {f"of the {split} split" if split else HELD_OUT}',
        training_data=(recipe.training_data + _skipped(held.images.skipped)).strip(),
        licence=recipe.licence,
        policy=policy_name,
        precision=precision,
    )
    parts = halves(images, held.images.groups) if target.risk is not None else None
    fitted_on = np.arange(images) if parts is None else parts[0]
    temperatures, answers = calibrate(held.logits, held.labels, fitted_on)
    some = held.images.spread(MOST_DEGRADED)
    copies = degraded(evaluation_batch(some.images, size))
    if precision == FP32:
        worse = logits_of(model, replace(some, images=copies), precise=True)
    else:
        draft = to_precision(model, metadata)
        said = answer_all(draft, evaluation_batch(held.images.images, size))
        worse = to_logits(answer_all(draft, copies))
        in_fp32 = answers
        temperatures, answers = calibrate(to_logits(said), held.labels, fitted_on)
        print(f'{precision} and fp32, {images} held-out images: {agreement(answers, in_fp32)}')
    print('temperatures ' + ' '.join(f'{temperature:.2f}' for temperature in temperatures))
    warn_of_temperatures(temperatures, metadata.answer_layers)
    divide_by_temperatures(model, temperatures)
    round_weights_to_half(model)
    settings = choose_exit_settings(
        answers,
        held.images,
        calibrated(worse, temperatures),
        some.labels,
        layers=metadata.answer_layers,
        macs=macs,
        target=target,
        parts=parts,
        policy_name=policy_name,
    )
    warn_of_depth(settings.accuracy, metadata.answer_layers, images)
    counts = np.sum(settings.calibration_counts, axis=1)
    warn_of_one_exit((counts / images).tolist(), metadata.answer_layers)
    print('exporting (about ten seconds)')
    proto = to_precision(model, replace(metadata, **settings._asdict()))
    if precision == FP32:
        worst, witness = check(proto, model, held.checked), 'from torch'
    else:
        worst, witness = check_forms(proto, held.checked), 'as one graph and in stages'
    write(proto, out)
    print(
        f'wrote {out} ({out.stat().st_size / 1e6:.1f} MB); {len(held.checked)} images at every '
        f'exit differ {witness} by at most {worst:.1g}\n'
        f'next: python -m model_export evaluate {out} --data {data}'
    )


def _skipped(damaged: int) -> str:
    return f' ({damaged} damaged images were left out.)' if damaged else ''
