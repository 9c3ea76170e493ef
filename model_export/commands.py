"""What the commands do, from files to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from eevit_ros.exit_policy import judge
from eevit_ros.model_file import ModelMetadata
from eevit_ros.policies import STATELESS
from eevit_ros.promise import Promise
from model_export.data import RULE, Dataset, fingerprint, load_split, split_held_out
from model_export.early_exit import EarlyExitViT
from model_export.errors import ModelExportError
from model_export.export import check, check_out, round_weights_to_half, to_onnx, write
from model_export.fold import divide_by_temperatures
from model_export.macs import count_macs
from model_export.pretrained import start_from
from model_export.recipe import load_recipe
from model_export.regression.values import Values, load_halves
from model_export.thresholds.calibrate import calibrated, count_answers, fit_temperatures
from model_export.thresholds.choose import (
    Known,
    Target,
    choose,
    choose_with_promise,
    why_no_promise,
)
from model_export.thresholds.held_out import answer_held_out, calibration_hash, halves
from model_export.training.trainer import Trainer
from model_export.weights import load_model, save_weights, trained_on


def train(recipe_path: Path, data: Path, out: Path, *, init: Path | None) -> None:
    """Train a recipe on the train split of a data set into a run folder, or continue it."""
    recipe = load_recipe(recipe_path)
    torch.manual_seed(recipe.seed)
    model = EarlyExitViT(recipe)  # first: to read the data may take minutes
    if init and (out / 'checkpoint.pt').exists():
        print(f'{out} is continued; --init {init} is ignored')
    elif init:
        print(start_from(model, init))
    if recipe.task == 'regression':
        parts = load_halves(data, recipe)
        _train(model, parts.training, parts.held_out, parts.fingerprint, data, out)
        return
    dataset = load_split(data, 'train', recipe.backbone.image_size)
    if len(dataset.class_names) != recipe.num_classes:
        raise ModelExportError(
            f'{data} has {len(dataset.class_names)} classes, {recipe_path} says num_classes: '
            f'{recipe.num_classes}'
        )
    known = fingerprint(dataset)
    training, held_out = split_held_out(dataset, recipe.held_out, recipe.held_out_seed)
    del dataset  # the halves are copies
    _train(model, training, held_out, known, data, out)


def _train(
    model: EarlyExitViT,
    training: Dataset | Values,
    held_out: Dataset | Values,
    known: str,
    data: Path,
    out: Path,
) -> None:
    trainer = Trainer(model, training, held_out, out, data=known)
    trainer.run()
    if not trainer.processes.leads:
        return
    export_command = 'export-regression' if model.recipe.task == 'regression' else 'export'
    print(
        f'trained: {out}. Next: python -m model_export {export_command} {out} --data {data} '
        f'--out ...'
    )


def save(run: Path, out: Path) -> None:
    """Write a run's weights at half size, to keep or to share."""
    model, class_names = load_model(run, task=None)
    _, data = trained_on(run)
    save_weights(model, class_names, data, out)
    print(f'wrote {out}: export takes it in place of the run, train with --init starts from it')


def export(
    run: Path, data: Path, out: Path, *, target: Target, policy_name: str = 'softmax'
) -> None:
    """Calibrate a trained run on its held-out images and write it as one checked ONNX file.

    With a promise as the target, temperatures and the family of thresholds come from one half of
    the held-out images, and the promise is tested on the other.
    """
    if policy_name not in STATELESS:
        raise ModelExportError(
            f'--policy must be one of {tuple(STATELESS)}: a file decides exit by exit, with no '
            f'memory. Got {policy_name!r}'
        )
    check_out(out)
    held = answer_held_out(run, data)
    model, recipe = held.model, held.model.recipe
    images = len(held.images)
    first, second = halves(images)
    fitted_on = first if target.risk is not None else np.arange(images)
    temperatures = fit_temperatures(held.logits[:, fitted_on], held.labels[fitted_on])
    print('temperatures ' + ' '.join(f'{temperature:.2f}' for temperature in temperatures))
    divide_by_temperatures(model, temperatures)
    round_weights_to_half(model)
    macs = count_macs(model)

    policy = STATELESS[policy_name]()
    judged = judge(policy, calibrated(held.logits, temperatures))
    layers = (*model.exit_layers, recipe.backbone.layers)
    known = Known(policy, judged, held.images.labels, layers, macs.leaving, macs.backbone)
    promise = None
    if target.risk is None:
        thresholds = choose(known, target)
    else:
        found = choose_with_promise(known.of(first), known.of(second), target.risk, target.delta)
        if found is None:
            raise ModelExportError(
                f'{target}: cannot be promised: '
                f'{why_no_promise(len(second), target.risk, target.delta)}'
            )
        thresholds = found
        calibration = calibration_hash(held.images.subset(second))
        promise = Promise(
            'accuracy_gap', target.risk, target.delta, len(second), calibration, policy_name
        )
        print(f'promise: {promise}')
    result = known.outcome(thresholds)
    print(
        f'thresholds {thresholds}: {result.accuracy:.4f} at {result.speedup_macs:.2f}x fewer MACs '
        f'(final exit {known.right[-1].mean():.4f}, held-out images)'
    )
    metadata = ModelMetadata(
        name=recipe.name,
        class_names=held.class_names,
        exit_layers=model.exit_layers,
        layers=recipe.backbone.layers,
        input_height=recipe.backbone.image_size,
        input_width=recipe.backbone.image_size,
        resize=RULE,
        default_thresholds=thresholds,
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        accuracy=tuple(float(share) for share in known.right.mean(axis=1)),
        accuracy_data=f'{images} images held out of the training data',
        training_data=recipe.training_data,
        licence=recipe.licence,
        promise=promise,
        calibration_counts=count_answers(judged.confidence, known.taken(thresholds)),
        policy=policy_name,
    )
    print('exporting (about half a minute)')
    proto = to_onnx(model, metadata)
    worst = check(proto, model, held.checked)
    write(proto, out)
    print(
        f'wrote {out} ({out.stat().st_size / 1e6:.1f} MB); {len(held.checked)} images at every '
        f'exit differ from torch by at most {worst:.1g}\n'
        f'next: python -m model_export evaluate {out} --data {data}'
    )
