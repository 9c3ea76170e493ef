"""What the commands do, from files to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from eevit_ros.exit_policy import choose_thresholds, exits_taken, outcome
from eevit_ros.model_file import ModelMetadata
from model_export.calibrate import count_answers, fit_temperatures
from model_export.data import RULE, evaluation_batch, fingerprint, load_split, split_held_out
from model_export.early_exit import EarlyExitViT
from model_export.errors import ModelExportError
from model_export.export import check, round_weights_to_half, to_onnx, write
from model_export.fold import check_fold, divide_by_temperatures, fold
from model_export.macs import count_macs
from model_export.predict import logits_of
from model_export.pretrained import start_from
from model_export.recipe import load_recipe
from model_export.train import Trainer
from model_export.weights import check_same_data, load_model, save_weights, trained_on

CHECKED_IMAGES = 20  # by the export, at every exit
FEW_IMAGES = 500


def train(recipe_path: Path, data: Path, out: Path, *, init: Path | None) -> None:
    """Train a recipe on the train split of a data set into a run folder, or continue it."""
    recipe = load_recipe(recipe_path)
    dataset = load_split(data, 'train', recipe.backbone.image_size)
    if len(dataset.class_names) != recipe.num_classes:
        raise ModelExportError(
            f'{data} has {len(dataset.class_names)} classes, {recipe_path} says num_classes: '
            f'{recipe.num_classes}'
        )
    known = fingerprint(dataset)
    training, held_out = split_held_out(dataset, recipe.held_out, recipe.seed)
    del dataset  # the halves are copies
    torch.manual_seed(recipe.seed)
    model = EarlyExitViT(recipe)
    if init and (out / 'checkpoint.pt').exists():
        print(f'{out} is continued; --init {init} is ignored')
    elif init:
        start_from(model.backbone, init)
    Trainer(model, training, held_out, out, data=known).run()
    print(f'trained: {out}. Next: python -m model_export export {out} --data {data} --out ...')


def save(run: Path, out: Path) -> None:
    """Write a run's weights at half size, to keep or to share."""
    model, class_names = load_model(run)
    _, data = trained_on(run)
    save_weights(model, class_names, data, out)
    print(f'wrote {out}: export takes it in place of the run, train with --init starts from it')


def export(run: Path, data: Path, out: Path, *, max_drop: float) -> None:
    """Calibrate a trained run on its held-out images and write it as one checked ONNX file."""
    trained, class_names = load_model(run)
    recipe = trained.recipe
    size = recipe.backbone.image_size
    dataset = load_split(data, 'train', size)
    check_same_data(run, dataset)
    _, held_out = split_held_out(dataset, recipe.held_out, recipe.seed)
    labels = torch.from_numpy(held_out.labels)

    print(f'calibrating on {len(held_out)} held-out images')
    if len(held_out) < FEW_IMAGES:
        print(f'warning: thresholds chosen on fewer than {FEW_IMAGES} images promise little')
    model = fold(trained)
    images = evaluation_batch(held_out.images[:: max(1, len(held_out) // CHECKED_IMAGES)], size)
    check_fold(trained, model, torch.from_numpy(images))
    round_weights_to_half(model)
    logits = logits_of(model, held_out, precise=True)
    temperatures = fit_temperatures(logits, labels)
    print('temperatures ' + ' '.join(f'{temperature:.2f}' for temperature in temperatures))
    divide_by_temperatures(model, temperatures)
    round_weights_to_half(model)
    macs = count_macs(model)

    scaled = logits / torch.tensor(temperatures)[:, None, None]
    confidence = scaled.softmax(-1).amax(-1).numpy()
    right = (scaled.argmax(-1) == labels).numpy()
    thresholds = choose_thresholds(confidence, right, macs.leaving, max_drop)
    layers = (*model.exit_layers, recipe.backbone.layers)
    taken = exits_taken(confidence, np.array(thresholds, np.float32))
    result = outcome(right, taken, layers, macs.leaving, macs.backbone)
    print(
        f'thresholds {thresholds}: {result.accuracy:.4f} at {result.speedup_macs:.2f}x fewer MACs '
        f'(final exit {right[-1].mean():.4f}, held-out images)'
    )
    metadata = ModelMetadata(
        name=recipe.name,
        class_names=class_names,
        exit_layers=model.exit_layers,
        layers=recipe.backbone.layers,
        input_height=size,
        input_width=size,
        resize=RULE,
        default_thresholds=thresholds,
        macs=macs.leaving,
        head_macs=macs.heads,
        backbone_macs=macs.backbone,
        accuracy=tuple(float(share) for share in right.mean(axis=1)),
        accuracy_data=f'{len(held_out)} images held out of the training data',
        training_data=recipe.training_data,
        licence=recipe.licence,
        calibration_counts=count_answers(confidence, taken),
    )
    print('exporting (about half a minute)')
    proto = to_onnx(model, metadata)
    worst = check(proto, model, images)
    write(proto, out)
    print(
        f'wrote {out} ({out.stat().st_size / 1e6:.1f} MB); {len(images)} images at every exit '
        f'differ from torch by at most {worst:.1g}\n'
        f'next: python -m model_export evaluate {out} --data {data}'
    )
