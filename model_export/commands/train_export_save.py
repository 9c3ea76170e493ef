"""What the commands do, from files to files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eevit_ros.model.metadata import ModelMetadata
from eevit_ros.policies import STATELESS
from model_export.calibration.choose import Target
from model_export.calibration.held_out import answer_held_out, halves
from model_export.calibration.settle import settle
from model_export.calibration.temperatures import calibrated, fit_temperatures
from model_export.data import (
    RULE,
    Dataset,
    evaluation_batch,
    fingerprint,
    load_split,
    split_held_out,
)
from model_export.data.values import Values, load_halves
from model_export.errors import ModelExportError
from model_export.export.check import check, check_forms
from model_export.export.onnx_writer import FP32, check_out, round_weights_to_half, write
from model_export.export.precision import agreement, answer_all, to_logits, to_precision
from model_export.network.early_exit import EarlyExitViT
from model_export.network.fold import divide_by_temperatures
from model_export.network.macs import count_macs
from model_export.pretrained import start_from
from model_export.recipe.recipe import load_recipe
from model_export.training.schemes import check_stages
from model_export.training.trainer import Trainer
from model_export.weights.stored import load_model, save_weights, trained_on


def train(recipe_path: Path, data: Path, out: Path, *, init: Path | None) -> None:
    """Train a recipe on the train split of a data set into a run folder, or continue it."""
    recipe = load_recipe(recipe_path)
    check_stages(recipe)
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
    run: Path,
    data: Path,
    out: Path,
    *,
    target: Target,
    policy_name: str = 'softmax',
    precision: str = FP32,
) -> None:
    """Calibrate a trained run on its held-out images and write it as one checked ONNX file.

    With a promise as the target, temperatures and the family of thresholds come from one half of
    the held-out images, and the promise is tested on the other. In another precision than fp32, all
    is chosen on what the graph of that precision answers, on the CPU.
    """
    if policy_name not in STATELESS:
        raise ModelExportError(
            f'--policy must be one of {tuple(STATELESS)}: a file decides exit by exit, with no '
            f'memory. Got {policy_name!r}'
        )
    check_out(out)
    held = answer_held_out(run, data)
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
        accuracy_data=f'{images} images held out of the training data',
        training_data=recipe.training_data,
        licence=recipe.licence,
        policy=policy_name,
        precision=precision,
    )
    fitted_on = halves(images)[0] if target.risk is not None else np.arange(images)
    temperatures, answers = _calibrate(held.logits, held.labels, fitted_on)
    if precision != FP32:
        draft = to_precision(model, metadata)
        said = answer_all(draft, evaluation_batch(held.images.images, size))
        in_fp32 = answers
        temperatures, answers = _calibrate(to_logits(said), held.labels, fitted_on)
        print(f'{precision} and fp32, {images} held-out images: {agreement(answers, in_fp32)}')
    print('temperatures ' + ' '.join(f'{temperature:.2f}' for temperature in temperatures))
    divide_by_temperatures(model, temperatures)
    round_weights_to_half(model)
    settled = settle(
        answers,
        held.images,
        layers=metadata.answer_layers,
        macs=macs,
        target=target,
        policy_name=policy_name,
    )
    print('exporting (about half a minute)')
    proto = to_precision(model, replace(metadata, **settled._asdict()))
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


def _calibrate(
    logits: Tensor, labels: Tensor, fitted_on: npt.NDArray[np.int64]
) -> tuple[list[float], npt.NDArray[np.float32]]:
    """E + 1 temperatures fitted on some of the images, and the probabilities of all."""
    temperatures = fit_temperatures(logits[:, fitted_on], labels[fitted_on])
    return temperatures, calibrated(logits, temperatures)
